/* text_facet.c - values of facet columns: each distinct value once, sorted, and per document its
 * number + 1 in as few bits as the count of values needs. */
#include "text/text_build_private.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 256 };

static lh_str value_at(const lhi_text_facet_state *f, uint32_t value)
{
    const uint64_t *ends = f->ends.items;
    uint64_t start = value > 0 ? ends[value - 1] : 0;
    return lh_str_n((const char *)f->bytes.items + start, (size_t)(ends[value] - start));
}

static lh_rc grow(lh_ctx *cx, lhi_text_facet_state *f)
{
    uint32_t count = f->slots_count ? f->slots_count * 2 : SLOTS_FIRST;
    uint32_t *slots = lh_alloc_zero(count, sizeof *slots);
    if (!slots)
        return lh_fail(cx, LH_E_NO_MEMORY, "%u slots of facet values", count);
    for (uint32_t v = 0; v < f->ends.count; v++) {
        uint32_t i = (uint32_t)lh_hash64(value_at(f, v), 0) & (count - 1);
        while (slots[i] != 0)
            i = (i + 1) & (count - 1);
        slots[i] = v + 1;
    }
    lh_free(f->slots);
    f->slots = slots;
    f->slots_count = count;
    return LH_OK;
}

static lh_rc find_value(lh_ctx *cx, lhi_text_facet_state *f, lh_str value, uint32_t *ret_id)
{
    if (f->ends.count * 2 >= f->slots_count)
        LH_TRY(grow(cx, f));
    uint32_t i = (uint32_t)lh_hash64(value, 0) & (f->slots_count - 1);
    for (; f->slots[i] != 0; i = (i + 1) & (f->slots_count - 1)) {
        if (lh_str_eq(value_at(f, f->slots[i] - 1), value)) {
            *ret_id = f->slots[i];
            return LH_OK;
        }
    }
    LH_TRY(lhi_text_vec_reserve(cx, &f->ends, 1, sizeof(uint64_t)));
    LH_TRY(lhi_text_vec_append(cx, &f->bytes, value.ptr, value.len, 1));
    ((uint64_t *)f->ends.items)[f->ends.count++] = f->bytes.count;
    f->slots[i] = (uint32_t)f->ends.count;
    *ret_id = f->slots[i];
    return LH_OK;
}

lh_rc lhi_text_facet_add(lh_ctx *cx, lhi_text_facet_state *f, lh_str value)
{
    uint32_t id = 0;
    if (value.len > LH_TEXT_FACET_BYTES_MAX)
        return lh_fail(cx, LH_E_TOO_LARGE, "a facet value of %zu bytes, limit %d", value.len,
                       LH_TEXT_FACET_BYTES_MAX);
    if (value.len > 0)
        LH_TRY(find_value(cx, f, value, &id));
    return lhi_text_vec_append(cx, &f->ids, &id, 1, sizeof id);
}

typedef struct sorted_value {
    lh_str text;
    uint32_t value;
} sorted_value;

static int by_text(const void *a, const void *b)
{
    return lh_str_cmp(((const sorted_value *)a)->text, ((const sorted_value *)b)->text);
}

static lh_str section_name(lh_ctx *cx, uint32_t number, const char *part)
{
    return lh_ctx_fmt(cx, "facet%u.%s", number, part);
}

static lh_rc write_values(lh_ctx *cx, const sorted_value *values, uint32_t count, uint32_t number,
                          lh_container_writer *writer)
{
    uint64_t end = 0;
    LH_TRY(
        lh_container_section_begin(cx, writer, section_name(cx, number, "ends"), sizeof(uint64_t)));
    for (uint32_t i = 0; i < count; i++) {
        end += values[i].text.len;
        LH_TRY(lh_container_section_write(cx, writer, lh_str_n(&end, sizeof end)));
    }
    LH_TRY(lh_container_section_end(cx, writer));
    LH_TRY(lh_container_section_begin(cx, writer, section_name(cx, number, "text"), 1));
    for (uint32_t i = 0; i < count; i++)
        LH_TRY(lh_container_section_write(cx, writer, values[i].text));
    return lh_container_section_end(cx, writer);
}

lh_rc lhi_text_facet_write(lh_ctx *cx, lhi_text_facet_state *f, uint32_t number,
                           lh_container_writer *writer, lhi_text_facet_row *row)
{
    uint32_t values = (uint32_t)f->ends.count;
    uint32_t docs = (uint32_t)f->ids.count;
    uint32_t *ids = f->ids.items;
    sorted_value *sorted = lh_alloc_zero(values + 1, sizeof *sorted);
    uint32_t *rank = lh_alloc_zero(values + 1, sizeof *rank);
    row->values = values;
    row->bits = lhi_text_bits_of(values);
    size_t packed_bytes = lhi_text_packed_bytes(docs, row->bits);
    uint8_t *packed = lh_alloc_zero(packed_bytes + 1, 1);
    lh_rc rc = LH_OK;
    if (sorted && rank && packed) {
        for (uint32_t v = 0; v < values; v++)
            sorted[v] = (sorted_value){value_at(f, v), v};
        qsort(sorted, values, sizeof *sorted, by_text);
        for (uint32_t i = 0; i < values; i++)
            rank[sorted[i].value + 1] = i + 1;
        for (uint32_t d = 0; d < docs; d++)
            ids[d] = rank[ids[d]];
        lhi_text_pack(ids, docs, row->bits, packed);
        rc = write_values(cx, sorted, values, number, writer);
        if (rc == LH_OK)
            rc = lh_container_add(cx, writer, section_name(cx, number, "docs"), 1,
                                  lh_str_n(packed, packed_bytes));
    } else {
        rc = lh_fail(cx, LH_E_NO_MEMORY, "%u facet values", values);
    }
    lh_free(sorted);
    lh_free(rank);
    lh_free(packed);
    return rc;
}

void lhi_text_facet_done(lhi_text_facet_state *f)
{
    lhi_text_vec_done(&f->ids);
    lhi_text_vec_done(&f->bytes);
    lhi_text_vec_done(&f->ends);
    lh_free(f->slots);
    *f = (lhi_text_facet_state){0};
}
