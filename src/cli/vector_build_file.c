/* vector_build_file.c - builds under another name and moves the whole file to its own; keeps what
 * finished phases made beside it when there are rows enough. */
#include "cli/vector_build_file.h"

#include "base/clock.h"

#define NS_PER_S 1e9

typedef struct build_run {
    const lh_vector_cli *o;
    const lh_f32_rows *base;
    lh_vector_rows_as rows_as;
    lh_vector_keep *keep; /* NULL: nothing is kept */
    double build_s;
} build_run;

static lh_rc build(lh_ctx *cx, build_run *run, lh_file *file)
{
    const lh_vector_cli *o = run->o;
    lh_vector_options options = {.dimensions = (uint32_t)o->dim,
                                 .metric = (lh_vector_metric)o->metric,
                                 .kind = (lh_vector_kind)o->kind,
                                 .preset = (lh_vector_preset)o->preset,
                                 .rows_as = run->rows_as,
                                 .rotation = (lh_vector_rotation)o->rotation,
                                 .threads = (uint32_t)o->build_threads,
                                 .ef_construction = (uint32_t)o->ef_construction,
                                 .seed = o->seed,
                                 .memory_bytes_max = o->memory_bytes,
                                 .keep = run->keep};
    lh_vector_source source = {.rows = run->base->rows, .floats = run->base->values};
    uint64_t bytes;
    int64_t begun = lh_clock_mono_ns();
    LH_TRY(lh_vector_build(cx, &options, &source, lh_file_container_sink(file), &bytes));
    run->build_s = (double)(lh_clock_mono_ns() - begun) / NS_PER_S;
    return LH_OK;
}

static lh_rc build_part(lh_ctx *cx, build_run *run, lh_str part)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_TRY(lh_file_remove(cx, part)); /* of a build that was killed */
    LH_TRY(lh_file_open(cx, part, LH_FILE_CREATE, &file));
    LH_TRY(build(cx, run, file));
    return lh_file_sync(cx, file);
}

static void remove_quietly(lh_ctx *cx, lh_str path)
{
    lh_err err = cx->err;
    LH_IGNORE(lh_file_remove(cx, path));
    cx->err = err;
}

static lh_rc build_and_move(lh_ctx *cx, build_run *run, lh_str path)
{
    lh_str part = lh_ctx_fmt(cx, "%.*s.part", LH_STR_ARG(path));
    if (!part.ptr)
        return cx->err.rc;
    lh_rc rc = build_part(cx, run, part);
    if (rc == LH_OK)
        rc = lh_file_move_new(cx, part, path);
    if (rc != LH_OK)
        remove_quietly(cx, part);
    return rc;
}

static lh_rc check_absent(lh_ctx *cx, lh_str path)
{
    if (!lh_file_exists(path))
        return LH_OK;
    return lh_fail(cx, LH_E_ALREADY_EXISTS, "'%.*s' is there already",
                   LH_STR_ARG(lh_path_base(path)));
}

lh_rc lh_vector_build_file(lh_ctx *cx, const lh_vector_cli *o, const lh_f32_rows *base, lh_str path,
                           double *ret_build_s)
{
    build_run run = {.o = o, .base = base, .rows_as = LH_VECTOR_ROWS_EXTERNAL};
    if (o->rows_given)
        run.rows_as = (lh_vector_rows_as)o->rows_as;
    LH_TRY(check_absent(cx, path));
    LH_TRY(build_and_move(cx, &run, path));
    *ret_build_s = run.build_s;
    return LH_OK;
}

static void tell(const lh_vector_keep *keep, lh_str side)
{
    if (keep->trouble[0] != '\0')
        lh_cli_say("vector build: '%.*s' is of no use: %s", LH_STR_ARG(lh_path_base(side)),
                   keep->trouble);
    if (keep->bytes_used > 0)
        lh_cli_say("vector build: went on from '%.*s'", LH_STR_ARG(lh_path_base(side)));
}

/* What was kept stays when the build ended in a way that another try may pass. */
static lh_rc build_keeping(lh_ctx *cx, build_run *run, lh_str path, lh_str side)
{
    lh_vector_keep *keep = run->keep;
    uint64_t kept = 0;
    LH_TRY(lh_file_open(cx, side, LH_FILE_READ_WRITE, &keep->file));
    LH_TRY(lh_file_lock(cx, keep->file));
    lh_rc rc = check_absent(cx, path); /* another may have made it meanwhile */
    if (rc == LH_OK) {
        rc = build_and_move(cx, run, path);
        tell(keep, side);
    }
    lh_err err = cx->err;
    if (rc == LH_OK || rc == LH_E_ALREADY_EXISTS ||
        (lh_file_size(cx, keep->file, &kept) == LH_OK && kept == 0))
        LH_IGNORE(lh_file_remove(cx, side));
    cx->err = err;
    if (rc != LH_OK && kept > 0 && err.hint[0] == '\0')
        return lh_err_hint(cx, "the same command goes on from '%.*s'",
                           LH_STR_ARG(lh_path_base(side)));
    return rc;
}

lh_rc lh_vector_build_kept(lh_ctx *cx, const lh_vector_cli *o, const lh_f32_rows *base, lh_str path,
                           double *ret_build_s)
{
    lh_vector_keep keep = {.rows_min = o->keep_from};
    build_run run = {.o = o, .base = base, .rows_as = (lh_vector_rows_as)o->rows_as};
    lh_str side = lh_ctx_fmt(cx, "%.*s.build", LH_STR_ARG(path));
    LH_TRY(check_absent(cx, path));
    if (base->rows < o->keep_from) {
        LH_TRY(build_and_move(cx, &run, path));
    } else {
        if (!side.ptr)
            return cx->err.rc;
        run.keep = &keep;
        lh_rc rc = build_keeping(cx, &run, path, side);
        keep.file = lh_file_close(keep.file);
        LH_TRY(rc);
    }
    *ret_build_s = run.build_s;
    return LH_OK;
}
