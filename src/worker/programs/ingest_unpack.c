/* ingest_unpack.c - streams a packed file through one pair of buffers; checks cancel, size and
 * end. */
#include "worker/programs/ingest_unpack.h"

#include "os/process.h"

#include <zlib.h>
#include <zstd.h>

enum { BUFFER_BYTES = 256 * 1024, ZSTD_WINDOW_LOG_MAX = 27, GZIP_WINDOW_BITS = 15 + 16 };

lh_packing lh_packing_detect(lh_str head)
{
    const unsigned char *p = (const unsigned char *)head.ptr;
    if (head.len >= 3 && p[0] == 0x1F && p[1] == 0x8B && p[2] == 8)
        return LH_PACKING_GZIP;
    if (head.len >= 4 && p[0] == 0x28 && p[1] == 0xB5 && p[2] == 0x2F && p[3] == 0xFD)
        return LH_PACKING_ZSTD;
    return LH_PACKING_NONE;
}

lh_rc lh_spill_file_new(lh_ctx *cx, lh_str folder, lh_file **ret_file)
{
    uint64_t number;
    LH_TRY(lh_random_bytes(cx, &number, sizeof(number)));
    lh_str path = lh_path_join(cx, folder,
                               lh_ctx_fmt(cx, "unpacked-%016llx.tmp", (unsigned long long)number));
    if (path.ptr == NULL)
        return cx->err.rc;
    lh_file *file;
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ_WRITE, &file));
    lh_rc rc = lh_file_remove(cx, path);
    if (rc != LH_OK) {
        lh_file_close(file);
        return rc;
    }
    *ret_file = file;
    return LH_OK;
}

/* One unpacking under way: the input side, the output side and the two libraries' states. */
typedef struct unpacker {
    const lh_file *packed;
    uint64_t packed_bytes;
    uint64_t offset; /* next byte of packed to read */
    lh_file *plain;  /* owned until handed over */
    uint64_t plain_bytes;
    const lh_source_options *opts;
    unsigned char *in;  /* owned, BUFFER_BYTES */
    unsigned char *out; /* owned, BUFFER_BYTES */
} unpacker;

static void unpacker_done(unpacker *u)
{
    lh_file_close(u->plain);
    lh_free(u->in);
    lh_free(u->out);
}
LH_DEFINE_CLEANUP_VALUE(unpacker, unpacker_done)

static lh_rc read_more(lh_ctx *cx, unpacker *u, size_t *ret_count)
{
    LH_TRY(lh_ctx_check(cx));
    if (u->opts->progress != NULL)
        LH_TRY(u->opts->progress(cx, u->opts->progress_arg, u->offset, u->packed_bytes));
    size_t count = (size_t)LH_MIN((uint64_t)BUFFER_BYTES, u->packed_bytes - u->offset);
    if (count > 0)
        LH_TRY(lh_file_read_at(cx, u->packed, u->offset, u->in, count));
    u->offset += count;
    *ret_count = count;
    return LH_OK;
}

static lh_rc write_out(lh_ctx *cx, unpacker *u, size_t count)
{
    u->plain_bytes += count;
    if (u->opts->unpacked_bytes_max > 0 && u->plain_bytes > u->opts->unpacked_bytes_max) {
        LH_IGNORE(lh_fail(cx, LH_E_TOO_LARGE, "the file unpacks to more than %llu bytes",
                          (unsigned long long)u->opts->unpacked_bytes_max));
        return lh_err_hint(cx, "%llu bytes of it were packed; split it or raise the limit",
                           (unsigned long long)u->packed_bytes);
    }
    return count > 0 ? lh_file_write(cx, u->plain, lh_str_n(u->out, count)) : LH_OK;
}

static lh_rc fail_truncated(lh_ctx *cx, const unpacker *u, const char *format)
{
    LH_IGNORE(
        lh_fail(cx, LH_E_UNPROCESSABLE,
                "the %s file ends in the middle: byte %llu is its last, after %llu bytes unpacked",
                format, (unsigned long long)u->packed_bytes, (unsigned long long)u->plain_bytes));
    return lh_err_hint(cx, "the upload or the file is incomplete; send it again");
}

static lh_rc fail_damaged(lh_ctx *cx, const unpacker *u, const char *format, size_t in_left)
{
    return lh_fail(cx, LH_E_UNPROCESSABLE, "the %s data is damaged near byte %llu", format,
                   (unsigned long long)(u->offset - in_left));
}

static lh_rc inflate_all(lh_ctx *cx, unpacker *u, z_stream *z)
{
    int state = Z_OK;
    for (;;) {
        if (z->avail_in == 0) {
            size_t count;
            LH_TRY(read_more(cx, u, &count));
            z->next_in = u->in;
            z->avail_in = (unsigned)count;
            if (count == 0)
                return state == Z_STREAM_END ? LH_OK : fail_truncated(cx, u, "gzip");
        }
        if (state == Z_STREAM_END) {
            /* Another member, or padding such as tape writers add. */
            if (z->next_in[0] != 0x1F)
                return LH_OK;
            if (inflateReset(z) != Z_OK)
                return lh_fail(cx, LH_E_INTERNAL, "zlib cannot start again");
        }
        z->next_out = u->out;
        z->avail_out = BUFFER_BYTES;
        state = inflate(z, Z_NO_FLUSH);
        if (state == Z_MEM_ERROR)
            return lh_fail(cx, LH_E_NO_MEMORY, "no memory to unpack gzip");
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            return fail_damaged(cx, u, "gzip", z->avail_in);
        LH_TRY(write_out(cx, u, BUFFER_BYTES - z->avail_out));
    }
}

static lh_rc unpack_gzip(lh_ctx *cx, unpacker *u)
{
    z_stream z = {0};
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to unpack gzip");
    lh_rc rc = inflate_all(cx, u, &z);
    inflateEnd(&z);
    return rc;
}

static lh_rc unzstd_all(lh_ctx *cx, unpacker *u, ZSTD_DCtx *z)
{
    size_t hint = 1; /* 0 at the end of a frame */
    ZSTD_inBuffer in = {u->in, 0, 0};
    for (;;) {
        if (in.pos == in.size) {
            size_t count;
            LH_TRY(read_more(cx, u, &count));
            in = (ZSTD_inBuffer){u->in, count, 0};
            if (count == 0)
                return hint == 0 ? LH_OK : fail_truncated(cx, u, "zstd");
        }
        ZSTD_outBuffer out;
        do { /* until the output buffer is not full: then all that the input gives is out */
            out = (ZSTD_outBuffer){u->out, BUFFER_BYTES, 0};
            hint = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(hint))
                return fail_damaged(cx, u, "zstd", in.size - in.pos);
            LH_TRY(write_out(cx, u, out.pos));
        } while (in.pos < in.size || (out.pos == BUFFER_BYTES && hint != 0));
    }
}

static lh_rc unpack_zstd(lh_ctx *cx, unpacker *u)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (z == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to unpack zstd");
    lh_rc rc = LH_OK;
    if (ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        rc = lh_fail(cx, LH_E_INTERNAL, "zstd refuses its window limit");
    if (rc == LH_OK)
        rc = unzstd_all(cx, u, z);
    ZSTD_freeDCtx(z);
    return rc;
}

lh_rc lh_unpack(lh_ctx *cx, const lh_file *packed, lh_packing packing,
                const lh_source_options *opts, lh_file **ret_file)
{
    LH_CLEANUP(unpacker_done) unpacker u = {.packed = packed, .opts = opts};
    LH_TRY(lh_file_size(cx, packed, &u.packed_bytes));
    u.in = lh_alloc(BUFFER_BYTES);
    u.out = lh_alloc(BUFFER_BYTES);
    if (u.in == NULL || u.out == NULL)
        return lh_fail(cx, LH_E_NO_MEMORY, "no memory to unpack");
    LH_TRY(lh_spill_file_new(cx, opts->spill_dir, &u.plain));
    LH_TRY(packing == LH_PACKING_GZIP ? unpack_gzip(cx, &u) : unpack_zstd(cx, &u));
    *ret_file = LH_TAKE(u.plain);
    return LH_OK;
}
