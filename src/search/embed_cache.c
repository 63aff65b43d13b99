/* search/embed_cache.c - opens the file of an identity, gets and puts by pread and pwrite.
 *
 * Not mapped: writing a sparse mapping on a full disk is SIGBUS, and a mapping of hundreds of MiB
 * would be shown as the server's memory. Two reads of warm pages cost about two microseconds, the
 * model a thousand. */
#include "search/embed_cache.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/metric.h"
#include "os/file.h"
#include "os/thread.h"

#include <stdlib.h>

#define MAGIC           "LHEC"
#define VERSION         1u
#define HEADER_BYTES    4096u
#define WAYS            8u
#define IDENTITY_MAX    1024u
#define TOUCH_S         600u /* a use is noted when the last one noted is older */
#define SCRATCH_BYTES   (64u * 1024u)
#define US_PER_S        1000000
#define FILE_NAME_BYTES 16u

typedef struct head {
    uint8_t key[LH_SHA256_BYTES];
    uint64_t checksum;
    uint32_t used_at_s;
    uint32_t zero;
} head;
_Static_assert(sizeof(head) == 48, "heads are stored as they are");

typedef struct header {
    char magic[4];
    uint32_t version;
    uint32_t dimensions;
    uint32_t ways;
    uint64_t sets;
    uint32_t identity_bytes;
    char identity[IDENTITY_MAX];
    char rest[HEADER_BYTES - IDENTITY_MAX - 36];
    uint64_t checksum;
} header;
_Static_assert(sizeof(header) == HEADER_BYTES, "the header is stored as it is");

struct lh_embed_cache {
    lh_mutex lock;
    lh_file *file;
    lh_arena *scratch; /* of errors nobody is told */
    uint32_t dimensions;
    uint64_t sets;
    float *vector; /* one, to be checked before it is handed out */
    lh_embed_cache_stats stats;
};

static uint64_t set_bytes(uint32_t dimensions)
{
    return WAYS * (sizeof(head) + (uint64_t)dimensions * sizeof(float));
}

static uint64_t header_sum(const header *h)
{
    return lh_hash64(lh_str_n(h, HEADER_BYTES - sizeof h->checksum), VERSION);
}

static void make_header(const lh_embed_cache_options *opts, uint64_t sets, header *h)
{
    *h = (header){.version = VERSION,
                  .dimensions = opts->dimensions,
                  .ways = WAYS,
                  .sets = sets,
                  .identity_bytes = (uint32_t)opts->identity.len};
    memcpy(h->magic, MAGIC, sizeof h->magic);
    memcpy(h->identity, opts->identity.ptr, opts->identity.len);
    h->checksum = header_sum(h);
}

/* ---- open ---- */

static lh_str file_path(lh_ctx *cx, const lh_embed_cache_options *opts)
{
    lh_str name = lh_ctx_fmt(cx, "%016llx.lhe",
                             (unsigned long long)lh_hash64(opts->identity, opts->dimensions));
    return lh_path_join(cx, opts->dir, name);
}

static int newer_first(const void *a, const void *b)
{
    const lh_dir_entry *x = a;
    const lh_dir_entry *y = b;
    return x->modified_us > y->modified_us ? -1 : x->modified_us < y->modified_us;
}

/* Models come and go; their vectors should not stay for ever. */
static void remove_old(lh_ctx *cx, const lh_embed_cache_options *opts, lh_str mine)
{
    lh_dir_entry *entries;
    size_t count;
    if (lh_dir_list(cx, opts->dir, &entries, &count) == LH_OK && count > 0) {
        qsort(entries, count, sizeof *entries, newer_first);
        uint32_t others = 0;
        for (size_t i = 0; i < count; i++) {
            if (!lh_str_eq(entries[i].name, lh_path_base(mine)) &&
                ++others >= LH_EMBED_CACHE_FILES_MAX)
                LH_IGNORE(lh_file_remove(cx, lh_path_join(cx, opts->dir, entries[i].name)));
        }
    }
    lh_err_clear(cx);
}

/* 1: the file is what it should be. */
static int is_mine(lh_ctx *cx, const lh_file *file, const header *wanted, uint64_t bytes)
{
    uint64_t have_bytes;
    header *have = LH_NEW(cx, header);
    int same = have && lh_file_size(cx, file, &have_bytes) == LH_OK && have_bytes == bytes &&
               lh_file_read_at(cx, file, 0, have, sizeof *have) == LH_OK &&
               memcmp(have, wanted, sizeof *have) == 0;
    lh_err_clear(cx);
    return same;
}

static lh_rc open_file(lh_ctx *cx, const lh_embed_cache_options *opts, lh_embed_cache *cache)
{
    uint64_t bytes = HEADER_BYTES + cache->sets * set_bytes(opts->dimensions);
    lh_str path = file_path(cx, opts);
    header *wanted = LH_NEW(cx, header);
    if (!wanted)
        return cx->err.rc;
    make_header(opts, cache->sets, wanted);
    LH_TRY(lh_dir_make(cx, opts->dir));
    remove_old(cx, opts, path);
    LH_TRY(lh_file_open(cx, path, LH_FILE_READ_WRITE, &cache->file));
    if (is_mine(cx, cache->file, wanted, bytes))
        return LH_OK;
    LH_TRY(lh_file_truncate(cx, cache->file, 0)); /* forgets all that was in it */
    LH_TRY(lh_file_truncate(cx, cache->file, bytes));
    return lh_file_write_at(cx, cache->file, 0, lh_str_n(wanted, sizeof *wanted));
}

lh_rc lh_embed_cache_open(lh_ctx *cx, const lh_embed_cache_options *opts,
                          lh_embed_cache **ret_cache)
{
    lh_assert(opts->dimensions > 0 && opts->identity.len > 0 && opts->identity.len <= IDENTITY_MAX);
    LH_CLEANUP(lh_embed_cache_close) lh_embed_cache *cache = lh_alloc_zero(1, sizeof *cache);
    if (!cache)
        return lh_fail(cx, LH_E_NO_MEMORY, "embedding cache");
    lh_mutex_init(&cache->lock);
    cache->dimensions = opts->dimensions;
    cache->scratch = lh_arena_new(SCRATCH_BYTES);
    cache->vector = lh_alloc_zero(opts->dimensions, sizeof(float));
    if (!cache->scratch || !cache->vector)
        return lh_fail(cx, LH_E_NO_MEMORY, "embedding cache");
    uint64_t least = HEADER_BYTES + set_bytes(opts->dimensions);
    if (opts->bytes_max < least)
        return lh_fail(cx, LH_E_TOO_LARGE, "an embedding cache of %llu bytes, at least %llu",
                       (unsigned long long)opts->bytes_max, (unsigned long long)least);
    cache->sets = (opts->bytes_max - HEADER_BYTES) / set_bytes(opts->dimensions);
    cache->stats.capacity = cache->sets * WAYS;
    LH_TRY(open_file(cx, opts, cache));
    *ret_cache = LH_TAKE(cache);
    return LH_OK;
}

lh_embed_cache *lh_embed_cache_close(lh_embed_cache *cache)
{
    if (!cache)
        return NULL;
    lh_file_close(cache->file);
    lh_arena_free(cache->scratch);
    lh_free(cache->vector);
    lh_mutex_done(&cache->lock);
    return lh_free(cache);
}

/* ---- get and put ---- */

lh_rc lh_embed_key_of(lh_ctx *cx, int purpose, lh_str text, lh_embed_key *ret_key)
{
    char first = (char)('0' + purpose);
    LH_CLEANUP(lh_sha256_free) lh_sha256 *digest = NULL;
    LH_TRY(lh_sha256_new(cx, &digest));
    lh_sha256_update(digest, lh_str_n(&first, 1));
    lh_sha256_update(digest, text);
    lh_sha256_final(digest, ret_key->bytes);
    return LH_OK;
}

static uint64_t entry_sum(const lh_embed_key *key, const float *vector, uint32_t dimensions)
{
    uint64_t seed = lh_hash64(lh_str_n(key->bytes, sizeof key->bytes), VERSION);
    return lh_hash64(lh_str_n(vector, dimensions * sizeof(float)), seed);
}

typedef struct place {
    uint64_t at; /* of the set */
    head heads[WAYS];
} place;

static uint64_t vector_at(const lh_embed_cache *cache, const place *p, uint32_t way)
{
    return p->at + sizeof p->heads + (uint64_t)way * cache->dimensions * sizeof(float);
}

/* Under the lock. */
static lh_rc read_heads(lh_ctx *cx, const lh_embed_cache *cache, const lh_embed_key *key, place *p)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash);
    p->at = HEADER_BYTES + hash % cache->sets * set_bytes(cache->dimensions);
    return lh_file_read_at(cx, cache->file, p->at, p->heads, sizeof p->heads);
}

static uint32_t find_way(const place *p, const lh_embed_key *key)
{
    for (uint32_t i = 0; i < WAYS; i++) {
        if (memcmp(p->heads[i].key, key->bytes, sizeof key->bytes) == 0)
            return i;
    }
    return WAYS;
}

static uint32_t now_s(void)
{
    return (uint32_t)(lh_clock_real_us() / US_PER_S);
}

static lh_rc write_head(lh_ctx *cx, const lh_embed_cache *cache, const place *p, uint32_t way)
{
    return lh_file_write_at(cx, cache->file, p->at + way * sizeof(head),
                            lh_str_n(&p->heads[way], sizeof(head)));
}

static lh_rc get_locked(lh_ctx *cx, lh_embed_cache *cache, const lh_embed_key *key, int *ret_found)
{
    place p;
    LH_TRY(read_heads(cx, cache, key, &p));
    uint32_t way = find_way(&p, key);
    if (way == WAYS)
        return LH_OK;
    size_t bytes = cache->dimensions * sizeof(float);
    LH_TRY(lh_file_read_at(cx, cache->file, vector_at(cache, &p, way), cache->vector, bytes));
    head *found = &p.heads[way];
    if (found->checksum != entry_sum(key, cache->vector, cache->dimensions)) {
        cache->stats.damaged++;
        lh_metric_add(LH_M_EMBED_CACHE_DAMAGED, 1);
        return LH_OK;
    }
    *ret_found = 1;
    if (now_s() - found->used_at_s > TOUCH_S) {
        found->used_at_s = now_s();
        LH_TRY(write_head(cx, cache, &p, way));
    }
    return LH_OK;
}

int lh_embed_cache_get(lh_embed_cache *cache, const lh_embed_key *key, float *out)
{
    int found = 0;
    if (!cache)
        return 0;
    LH_WITH_LOCK(&cache->lock);
    lh_ctx own;
    lh_ctx_init(&own, cache->scratch);
    LH_IGNORE(get_locked(&own, cache, key, &found)); /* what cannot be read is a miss */
    lh_arena_reset(cache->scratch);
    if (found)
        memcpy(out, cache->vector, cache->dimensions * sizeof(float));
    return found;
}

/* A free place, else the one used longest ago. */
static uint32_t choose_way(lh_embed_cache *cache, const place *p)
{
    static const lh_embed_key none = {{0}};
    uint32_t oldest = 0;
    uint32_t free_way = find_way(p, &none);
    if (free_way < WAYS)
        return free_way;
    for (uint32_t i = 1; i < WAYS; i++) {
        if (p->heads[i].used_at_s < p->heads[oldest].used_at_s)
            oldest = i;
    }
    cache->stats.evicted++;
    return oldest;
}

/* The vector first: until its head is there too, the old head's checksum does not fit. */
static lh_rc put_locked(lh_ctx *cx, lh_embed_cache *cache, const lh_embed_key *key,
                        const float *vector)
{
    place p;
    LH_TRY(read_heads(cx, cache, key, &p));
    uint32_t way = find_way(&p, key);
    if (way == WAYS)
        way = choose_way(cache, &p);
    head *h = &p.heads[way];
    *h = (head){.checksum = entry_sum(key, vector, cache->dimensions), .used_at_s = now_s()};
    memcpy(h->key, key->bytes, sizeof h->key);
    LH_FAULT(cx, EMBED_CACHE_BEFORE_VECTOR);
    LH_TRY(lh_file_write_at(cx, cache->file, vector_at(cache, &p, way),
                            lh_str_n(vector, cache->dimensions * sizeof(float))));
    LH_FAULT(cx, EMBED_CACHE_BEFORE_HEAD);
    return write_head(cx, cache, &p, way);
}

void lh_embed_cache_put(lh_embed_cache *cache, const lh_embed_key *key, const float *vector)
{
    if (!cache)
        return;
    LH_WITH_LOCK(&cache->lock);
    if (cache->stats.full_disk)
        return;
    lh_ctx own;
    lh_ctx_init(&own, cache->scratch);
    cache->stats.full_disk = put_locked(&own, cache, key, vector) != LH_OK;
    lh_arena_reset(cache->scratch);
}

void lh_embed_cache_get_stats(lh_embed_cache *cache, lh_embed_cache_stats *ret_stats)
{
    LH_WITH_LOCK(&cache->lock);
    *ret_stats = cache->stats;
}
