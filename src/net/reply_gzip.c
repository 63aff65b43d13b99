/* reply_gzip.c - replies compressed on the way out: zlib level 1, because the wire here is mostly a
 * LAN and the CPU is the query's. The state (256 KiB) lives as long as the reply. */
#include "net/net_private.h"

#include "base/mem.h"

#include <zlib.h>

enum { LEVEL = 1, WINDOW_BITS_GZIP = 15 + 16, MEMORY_LEVEL = 8, OUT_BYTES = 16 * 1024 };

static voidpf take(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return lh_alloc_zero(items, size);
}

static void give(voidpf opaque, voidpf memory)
{
    (void)opaque;
    lh_free(memory);
}

lh_rc lhi_gzip_begin(lh_request *rq)
{
    z_stream *z = lh_alloc_zero(1, sizeof(*z));
    if (z == NULL)
        return lh_fail(&rq->cx, LH_E_NO_MEMORY, "no memory to compress the reply");
    z->zalloc = take;
    z->zfree = give;
    if (deflateInit2(z, LEVEL, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        lh_free(z);
        return lh_fail(&rq->cx, LH_E_NO_MEMORY, "no memory to compress the reply");
    }
    rq->reply.gzip = z;
    return LH_OK;
}

/* flush: 0 as it comes, 1 everything so far must be readable, 2 the end. */
lh_rc lhi_gzip_write(lh_request *rq, lh_str bytes, int flush)
{
    static const int modes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    z_stream *z = rq->reply.gzip;
    char out[OUT_BYTES];
    do {
        size_t piece = LH_MIN(bytes.len, (size_t)1 << 30); /* avail_in is 32 bit */
        z->next_in = (Bytef *)(uintptr_t)bytes.ptr;
        z->avail_in = (uInt)piece;
        int last = piece == bytes.len;
        do {
            z->next_out = (Bytef *)out;
            z->avail_out = sizeof(out);
            int rc = deflate(z, last ? modes[flush] : Z_NO_FLUSH);
            if (rc == Z_STREAM_ERROR)
                return lh_fail(&rq->cx, LH_E_INTERNAL, "zlib refused its state");
            LH_TRY(lhi_reply_framed(rq, lh_str_n(out, sizeof(out) - z->avail_out)));
        } while (z->avail_out == 0);
        bytes = lh_str_from_offset(bytes, piece);
    } while (bytes.len > 0);
    return LH_OK;
}

void lhi_gzip_done(lh_reply *rp)
{
    if (rp->gzip == NULL)
        return;
    (void)deflateEnd(rp->gzip);
    rp->gzip = lh_free(rp->gzip);
}
