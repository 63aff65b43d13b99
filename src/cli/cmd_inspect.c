/* cli/cmd_inspect.c - what a stored file is and whether it is whole: containers, Parquet,
 * manifests, JSON lines. */
#include "catalog/manifest.h"
#include "cli/cli.h"
#include "os/file.h"

#include <stdio.h>

typedef struct inspected {
    lh_json_writer *w;
    lh_str bytes;
    lh_str path;
} inspected;

static lh_str fixed_text(const char *text, size_t max)
{
    return lh_str_n(text, strnlen(text, max));
}

static lh_rc inspect_container(lh_ctx *cx, inspected *in)
{
    lh_container c;
    LH_TRY(lh_container_open_any(cx, in->bytes, &c));
    lh_rc rc = lh_container_verify(cx, &c);
    lh_jw_kv_str(in->w, LH_S("type"), LH_S("container"));
    lh_jw_kv_str(in->w, LH_S("kind"), c.kind);
    lh_jw_kv_u64(in->w, LH_S("kind_version"), c.kind_version);
    lh_jw_kv_bool(in->w, LH_S("whole"), rc == LH_OK);
    lh_jw_key(in->w, LH_S("sections"));
    lh_jw_array_begin(in->w);
    for (uint32_t i = 0; i < c.section_count; i++) {
        const lh_container_section *s = &c.sections[i];
        lh_jw_object_begin(in->w);
        lh_jw_kv_str(in->w, LH_S("name"), fixed_text(s->name, sizeof s->name));
        lh_jw_kv_u64(in->w, LH_S("bytes"), s->bytes);
        lh_jw_kv_u64(in->w, LH_S("items"), s->item_bytes ? s->bytes / s->item_bytes : 0);
        lh_jw_object_end(in->w);
    }
    lh_jw_array_end(in->w);
    return rc;
}

/* Only the frame: the rest is for a worker. */
static lh_rc inspect_parquet(lh_ctx *cx, inspected *in)
{
    uint32_t footer = 0;
    size_t n = in->bytes.len;
    int whole = n >= 12 && memcmp(in->bytes.ptr + n - 4, "PAR1", 4) == 0;
    if (whole)
        memcpy(&footer, in->bytes.ptr + n - 8, sizeof footer);
    whole = whole && footer <= n - 12;
    lh_jw_kv_str(in->w, LH_S("type"), LH_S("parquet"));
    lh_jw_kv_bool(in->w, LH_S("whole"), whole);
    lh_jw_kv_u64(in->w, LH_S("footer_bytes"), footer);
    return whole ? LH_OK
                 : lh_fail(cx, LH_E_CORRUPT, "the Parquet footer is cut or lies about its size");
}

static lh_rc inspect_manifest(lh_ctx *cx, inspected *in)
{
    lh_manifest m;
    lh_jw_kv_str(in->w, LH_S("type"), LH_S("manifest"));
    lh_rc rc = lh_manifest_parse(cx, in->bytes, &m);
    lh_jw_kv_bool(in->w, LH_S("whole"), rc == LH_OK);
    LH_TRY(rc);
    lh_jw_kv_str(in->w, LH_S("name"), m.name);
    lh_jw_kv_u64(in->w, LH_S("commit"), m.commit);
    lh_jw_kv_str(in->w, LH_S("operation"), m.operation);
    lh_jw_kv_u64(in->w, LH_S("rows"), m.row_count);
    lh_jw_kv_u64(in->w, LH_S("files"), m.files.count);
    lh_jw_kv_u64(in->w, LH_S("columns"), lh_manifest_current(&m)->columns.count);
    lh_jw_key(in->w, LH_S("committed_at"));
    lh_jw_time(in->w, m.committed_at);
    return LH_OK;
}

static lh_rc inspect_json(lh_ctx *cx, inspected *in)
{
    lh_json_reader reader;
    lh_json_token token;
    uint64_t values = 0;
    lh_json_reader_init(&reader, cx, in->bytes, LH_JSON_MANY, 0);
    lh_rc rc = LH_OK;
    for (;;) {
        rc = lh_json_next(&reader, &token);
        if (rc != LH_OK || token.kind == LH_JSON_END)
            break;
        rc = lh_json_skip(&reader, &token, NULL);
        if (rc != LH_OK)
            break;
        values++;
    }
    lh_jw_kv_str(in->w, LH_S("type"), values > 1 ? LH_S("json lines") : LH_S("json"));
    lh_jw_kv_u64(in->w, LH_S("values"), values);
    lh_jw_kv_bool(in->w, LH_S("whole"), rc == LH_OK);
    return rc;
}

static lh_rc inspect(lh_ctx *cx, inspected *in)
{
    lh_str start = lh_str_trim(lh_str_sub(in->bytes, 0, 64));
    if (lh_str_starts(in->bytes, LH_S("LHCF")))
        return inspect_container(cx, in);
    if (lh_str_starts(in->bytes, LH_S("PAR1")))
        return inspect_parquet(cx, in);
    if (lh_str_find(in->path, LH_S("_catalog/datasets/")) != LH_STR_NPOS &&
        lh_str_ends(in->path, LH_S(".json")))
        return inspect_manifest(cx, in);
    if (start.len > 0 && (start.ptr[0] == '{' || start.ptr[0] == '['))
        return inspect_json(cx, in);
    lh_jw_kv_str(in->w, LH_S("type"), LH_S("unknown"));
    return LH_OK;
}

int lh_cmd_inspect(lh_ctx *cx, const lh_cli_args *args)
{
    LH_CLEANUP(lh_map_close) lh_map map = {{NULL, 0}};
    LH_CLEANUP(lh_buf_done) lh_buf json;
    lh_buf_init(&json, 64u << 20);
    if (args->rest_count != 1)
        return lh_cli_usage(NULL, "inspect needs one file");
    lh_str path;
    if (lh_path_absolute(cx, lh_str_from(args->rest[0]), &path) != LH_OK ||
        lh_map_open(cx, path, &map) != LH_OK)
        return lh_cli_failed(cx);
    lh_json_writer w;
    lh_jw_init(&w, cx, &json);
    w.pretty = !lh_cli_has(args, "json");
    inspected in = {&w, map.bytes, path};
    lh_jw_object_begin(&w);
    lh_jw_kv_u64(&w, LH_S("bytes"), map.bytes.len);
    lh_rc rc = inspect(cx, &in);
    lh_err err = cx->err;
    lh_jw_object_end(&w);
    if (lh_jw_end(&w) != LH_OK)
        return lh_cli_failed(cx);
    lh_cli_out(lh_buf_str(&json));
    putchar('\n');
    cx->err = err;
    return rc == LH_OK ? LH_EXIT_DONE : lh_cli_failed(cx);
}
