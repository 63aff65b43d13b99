/* fuzz_manifest.c - hostile manifests: parsing never breaks, and what it accepts can be written
 * and read again as the same.
 *
 * The seal would stop nearly every changed input at the first check, so each input is tried as
 * it is, and again with a fresh seal put on. Type texts and dataset names come along, because a
 * manifest carries them into SQL and paths. */
#include "base/buf.h"
#include "catalog/catalog.h"
#include "catalog/coltype.h"
#include "catalog/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_types(lh_ctx *cx, const lh_manifest *m)
{
    const lh_schema *schemas = m->schemas.items;
    for (size_t i = 0; i < m->schemas.count; i++) {
        const lh_column *columns = schemas[i].columns.items;
        for (size_t k = 0; k < schemas[i].columns.count; k++) {
            lh_coltype *type, *again;
            lh_str text, second;
            lh_list pii;
            if (lh_coltype_parse(cx, columns[k].type, &type) != LH_OK)
                continue;
            lh_assert(lh_coltype_text(cx, type, &text) == LH_OK);
            lh_assert(lh_coltype_parse(cx, text, &again) == LH_OK);
            lh_assert(lh_coltype_text(cx, again, &second) == LH_OK && lh_str_eq(text, second));
            lh_assert(lh_pii_detect(cx, columns[k].name, columns[k].type, NULL, &pii) == LH_OK);
        }
    }
}

static void try_text(lh_str json)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_manifest m, again;
    lh_str first, second;
    lh_ctx_init(&cx, arena);
    lh_rc rc = lh_manifest_parse(&cx, json, &m);
    lh_assert(rc == LH_OK || rc == LH_E_CORRUPT || rc == LH_E_NO_MEMORY);
    if (rc != LH_OK)
        return;
    lh_assert(lh_manifest_current(&m) != NULL);
    check_types(&cx, &m);
    if (m.format_version == 0)
        m.format_version = 1;
    if (lh_manifest_write(&cx, &m, &first) != LH_OK)
        return;
    lh_assert(lh_manifest_parse(&cx, first, &again) == LH_OK);
    lh_assert(lh_manifest_write(&cx, &again, &second) == LH_OK && lh_str_eq(first, second));
}

static void try_sealed(lh_str json)
{
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    LH_CLEANUP(lh_buf_done) lh_buf out;
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_buf_init(&out, json.len + 64);
    size_t seal = lh_str_find(json, LH_S(",\"checksum\":\""));
    if (seal != LH_STR_NPOS)
        json.len = seal;
    else if (json.len > 2 && json.ptr[json.len - 1] == '}')
        json.len--;
    if (json.len < 2 || lh_buf_append(&cx, &out, json) != LH_OK ||
        lh_buf_append(&cx, &out, LH_S("}")) != LH_OK || lh_seal_json(&cx, &out) != LH_OK)
        return;
    try_text(lh_buf_str(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lh_str json = lh_str_n(data, size);
    LH_CLEANUP(lh_arena_free) lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_str name = lh_dataset_name_from_file(&cx, json);
    lh_assert(lh_dataset_check_name(&cx, name) == LH_OK);
    try_text(json);
    try_sealed(json);
    return 0;
}
