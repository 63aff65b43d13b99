/* vocab.c - building, checking and walking the double array.
 *
 * The builder goes breadth first over the sorted tokens: a node's children are one range of
 * them. A node with children needs a base where every base + byte is free; free units form a
 * list, so a search sees nothing else, and after SEARCH_MAX failures it takes the end of the
 * array: a few per cent of space for a time linear in the input. */
#include "embed/vocab.h"

#include "base/num.h"
#include "embed/words.h"

#include <stdlib.h>

enum { BYTES = 256, ROOTS = 2, SEARCH_MAX = 256 };
#define NO_UNIT UINT32_MAX

typedef struct entry {
    lh_str token;
    int32_t id;
} entry;

/* A node and its tokens: entries[from, to) share their first depth bytes. */
typedef struct branch {
    uint32_t node;
    uint32_t from;
    uint32_t to;
    uint32_t depth;
} branch;

typedef struct builder {
    lh_ctx *cx;
    lh_embed_vocab_unit *units;
    uint32_t *next_free; /* list of free units, by rising index */
    uint32_t *last_free; /* the way back */
    uint32_t first_free;
    uint32_t capacity; /* of units; the last BYTES are kept empty */
    uint32_t used;     /* 1 + highest unit in use */
    const entry *entries;
    branch *queue;
    uint32_t queue_count;
} builder;

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    int order = lh_str_cmp(x->token, y->token);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static void take_unit(builder *b, uint32_t at, uint32_t parent)
{
    uint32_t before = b->last_free[at];
    uint32_t after = b->next_free[at];
    if (before == NO_UNIT)
        b->first_free = after;
    else
        b->next_free[before] = after;
    if (after != NO_UNIT)
        b->last_free[after] = before;
    b->units[at].parent = parent;
    b->used = LH_MAX(b->used, at + 1);
}

static bool is_free(const builder *b, uint32_t at)
{
    return at >= ROOTS && b->units[at].parent == NO_UNIT;
}

/* A base where all labels are free. The capacity is such that the end of the array always has
 * room. */
static uint32_t find_base(const builder *b, const uint8_t *labels, uint32_t count)
{
    uint32_t tries = 0;
    for (uint32_t at = b->first_free; at != NO_UNIT && tries < SEARCH_MAX; at = b->next_free[at]) {
        if (at <= labels[0])
            continue;
        uint32_t base = at - labels[0];
        uint32_t k = 1;
        while (k < count && is_free(b, base + labels[k]))
            k++;
        if (k == count)
            return base;
        tries++;
    }
    return b->used;
}

/* Gives node its children and queues those. */
static lh_rc place_children(builder *b, branch at)
{
    while (at.from < at.to && b->entries[at.from].token.len == at.depth)
        b->units[at.node].id = b->entries[at.from++].id;
    if (at.from == at.to)
        return LH_OK;
    uint8_t labels[BYTES];
    uint32_t starts[BYTES + 1];
    uint32_t count = 0;
    for (uint32_t i = at.from; i < at.to; i++) {
        uint8_t label = (uint8_t)b->entries[i].token.ptr[at.depth];
        if (count == 0 || labels[count - 1] != label) {
            labels[count] = label;
            starts[count++] = i;
        }
    }
    starts[count] = at.to;
    uint32_t base = find_base(b, labels, count);
    if (base + 2 * BYTES > b->capacity)
        return lh_fail(b->cx, LH_E_UNPROCESSABLE, "the vocabulary does not fit %u trie units",
                       b->capacity);
    b->units[at.node].base = base;
    for (uint32_t k = 0; k < count; k++) {
        take_unit(b, base + labels[k], at.node);
        b->queue[b->queue_count++] = (branch){.node = base + labels[k],
                                              .from = starts[k],
                                              .to = starts[k + 1],
                                              .depth = at.depth + 1};
    }
    return LH_OK;
}

static lh_rc build_tries(builder *b, uint32_t words_count, uint32_t entries_count)
{
    b->queue[b->queue_count++] = (branch){LH_EMBED_VOCAB_WORDS, 0, words_count, 0};
    b->queue[b->queue_count++] =
        (branch){LH_EMBED_VOCAB_CONTINUATIONS, words_count, entries_count, 0};
    for (uint32_t i = 0; i < b->queue_count; i++)
        LH_TRY(place_children(b, b->queue[i]));
    return LH_OK;
}

/* Nodes are at most the bytes of all entries plus the roots. */
static lh_rc builder_init(lh_ctx *cx, builder *b, const entry *entries, uint32_t count)
{
    uint64_t nodes = ROOTS;
    for (uint32_t i = 0; i < count; i++)
        nodes += entries[i].token.len;
    uint64_t capacity = nodes + nodes / 4 + 4096;
    if (capacity > UINT32_MAX / 2)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "the vocabulary has %llu bytes of tokens, too many",
                       (unsigned long long)nodes);
    *b = (builder){.cx = cx, .capacity = (uint32_t)capacity, .entries = entries, .used = ROOTS};
    b->units = LH_NEW_ARRAY(cx, lh_embed_vocab_unit, capacity);
    b->next_free = LH_NEW_ARRAY(cx, uint32_t, capacity);
    b->last_free = LH_NEW_ARRAY(cx, uint32_t, capacity);
    b->queue = LH_NEW_ARRAY(cx, branch, nodes);
    if (b->units == NULL || b->next_free == NULL || b->last_free == NULL || b->queue == NULL)
        return LH_E_NO_MEMORY;
    for (uint32_t i = 0; i < b->capacity; i++) {
        b->units[i] = (lh_embed_vocab_unit){.parent = NO_UNIT, .id = LH_EMBED_VOCAB_NONE};
        b->next_free[i] = i + 1 < b->capacity ? i + 1 : NO_UNIT;
        b->last_free[i] = i > ROOTS ? i - 1 : NO_UNIT;
    }
    b->first_free = ROOTS;
    return LH_OK;
}

static lh_rc read_entries(lh_ctx *cx, lh_str text, entry *entries, uint32_t *ret_words,
                          uint32_t *ret_entries, uint32_t *ret_tokens)
{
    uint32_t words = 0;
    uint32_t tokens = 0;
    lh_str line;
    for (lh_str rest = text; lh_str_split_next(&rest, '\n', &line); tokens++) {
        if (tokens == LH_EMBED_VOCAB_TOKENS_MAX)
            return lh_fail(cx, LH_E_UNPROCESSABLE, "the vocabulary has more than %d tokens",
                           LH_EMBED_VOCAB_TOKENS_MAX);
        if (rest.len == 0 && line.len == 0)
            break; /* after the last line end */
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0 && line.len <= LH_EMBED_WORD_BYTES_MAX)
            entries[words++] = (entry){line, (int32_t)tokens};
    }
    uint32_t count = words;
    for (uint32_t i = 0; i < words; i++)
        if (entries[i].token.len > 2 && lh_str_starts(entries[i].token, LH_S("##")))
            entries[count++] = (entry){lh_str_from_offset(entries[i].token, 2), entries[i].id};
    *ret_words = words;
    *ret_entries = count;
    *ret_tokens = tokens;
    return LH_OK;
}

lh_rc lh_embed_vocab_build(lh_ctx *cx, lh_str text, lh_embed_vocab *ret_vocab)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    lines = LH_MIN(lines, (size_t)LH_EMBED_VOCAB_TOKENS_MAX + 1);
    entry *entries = LH_NEW_ARRAY(cx, entry, lines * 2);
    if (entries == NULL)
        return LH_E_NO_MEMORY;
    uint32_t words = 0;
    uint32_t count = 0;
    uint32_t tokens = 0;
    LH_TRY(read_entries(cx, text, entries, &words, &count, &tokens));
    if (words == 0)
        return lh_fail(cx, LH_E_UNPROCESSABLE, "the vocabulary has no token");
    qsort(entries, words, sizeof(entry), compare_entries);
    qsort(entries + words, count - words, sizeof(entry), compare_entries);

    builder b = {0};
    LH_TRY(builder_init(cx, &b, entries, count));
    LH_TRY(build_tries(&b, words, count));
    *ret_vocab =
        (lh_embed_vocab){.units = b.units, .units_count = b.used + BYTES, .tokens_count = tokens};
    return LH_OK;
}

lh_rc lh_embed_vocab_open(lh_ctx *cx, lh_str bytes, uint32_t tokens_count,
                          lh_embed_vocab *ret_vocab)
{
    size_t count = bytes.len / sizeof(lh_embed_vocab_unit);
    if (count < BYTES + ROOTS || count > UINT32_MAX || bytes.len % sizeof(lh_embed_vocab_unit) != 0)
        return lh_fail(cx, LH_E_CORRUPT, "vocabulary trie: %zu bytes cannot be one", bytes.len);
    const lh_embed_vocab_unit *units = (const lh_embed_vocab_unit *)(const void *)bytes.ptr;
    for (size_t i = 0; i < count; i++) {
        if (units[i].base > count - BYTES)
            return lh_fail(cx, LH_E_CORRUPT, "vocabulary trie: unit %zu points past the end", i);
        if (units[i].id < LH_EMBED_VOCAB_NONE || units[i].id >= (int64_t)tokens_count)
            return lh_fail(cx, LH_E_CORRUPT, "vocabulary trie: unit %zu has token %d of %u", i,
                           units[i].id, tokens_count);
    }
    *ret_vocab = (lh_embed_vocab){
        .units = units, .units_count = (uint32_t)count, .tokens_count = tokens_count};
    return LH_OK;
}

int32_t lh_embed_vocab_match(const lh_embed_vocab *vocab, lh_embed_vocab_root root, lh_str text,
                             uint32_t *ret_bytes)
{
    const lh_embed_vocab_unit *units = vocab->units;
    uint32_t node = root;
    int32_t best = LH_EMBED_VOCAB_NONE;
    for (uint32_t i = 0; i < text.len && units[node].base != 0; i++) {
        uint32_t child = units[node].base + (uint8_t)text.ptr[i];
        if (units[child].parent != node)
            break;
        node = child;
        if (units[node].id != LH_EMBED_VOCAB_NONE) {
            best = units[node].id;
            *ret_bytes = i + 1;
        }
    }
    return best;
}

int32_t lh_embed_vocab_find(const lh_embed_vocab *vocab, lh_str token)
{
    uint32_t bytes = 0;
    int32_t id = lh_embed_vocab_match(vocab, LH_EMBED_VOCAB_WORDS, token, &bytes);
    return bytes == token.len ? id : LH_EMBED_VOCAB_NONE;
}
