/* main.c - lakehouse-worker: the zygote and the table of programs it forks.
 *
 * Started by the pool with the control socket as descriptor 3 and an empty environment; it takes no
 * arguments. */
#include "worker/programs/program.h"
#include "worker/zygote.h"

static const lh_program *const programs[] = {
    &lh_sql_program,        &lh_ingest_program, &lh_embed_program,
    &lh_embed_bulk_program, &lh_index_program,
};

int main(void)
{
    return lh_zygote_run(programs, LH_ARRAY_LEN(programs), LH_ZYGOTE_CONTROL_FD);
}
