/* ingest/ingest_stage.c - a file of this machine as an upload would have left it: staged and hashed
 * in one reading. */
#include "ingest/ingest_private.h"
#include "os/file.h"

#define COPY_BYTES (1u << 20)

static lh_rc copy(lh_ctx *cx, lh_file *from, lh_staged *to, lh_sha256 *digest)
{
    char *piece = lh_ctx_alloc(cx, 1, COPY_BYTES);
    if (!piece)
        return cx->err.rc;
    for (size_t got = 1; got > 0;) {
        LH_TRY(lh_ctx_check(cx));
        LH_TRY(lh_file_read(cx, from, piece, COPY_BYTES, &got));
        lh_sha256_update(digest, lh_str_n(piece, got));
        if (got > 0)
            LH_TRY(lh_staged_write(cx, to, lh_str_n(piece, got)));
    }
    return LH_OK;
}

lh_rc lh_ingest_stage_file(lh_ctx *cx, lh_ingest *ingest, lh_str path, lh_staged **ret_staged,
                           lh_str *ret_sha256)
{
    LH_CLEANUP(lh_file_close) lh_file *file = NULL;
    LH_CLEANUP(lh_staged_free) lh_staged *staged = NULL;
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ, &file));
    LH_TRY(lh_store_stage(cx, lh_catalog_store(ingest->catalog), &staged));
    LH_TRY(lh_sha256_new(cx, &digest));
    LH_TRY(copy(cx, file, staged, digest));
    uint8_t sum[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];
    lh_sha256_final(digest, sum);
    lh_hex_text(sum, sizeof sum, hex);
    lh_str text = lh_ctx_dup(cx, lh_str_n(hex, sizeof hex));
    if (!text.ptr)
        return cx->err.rc;
    *ret_sha256 = text;
    *ret_staged = LH_TAKE(staged);
    return LH_OK;
}
