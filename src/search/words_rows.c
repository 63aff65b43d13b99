/* search/words_rows.c - the documents of a generation: a segment set of texts, with fields for the
 * columns of the dataset. */
#include "search/words_private.h"

lhi_words_set *lhi_words_set_unref(lhi_words_set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return NULL;
    lh_text_set_close(set->set);
    lhi_numbered_done(&set->numbered);
    return lh_free(set);
}

static lh_str_list strings(const lh_list *list)
{
    return (lh_str_list){list->items, list->count};
}

/* Names of fields are those of the columns where the engine takes them; else their numbers. */
lh_str lhi_words_name(lh_ctx *cx, const lh_list *columns, size_t number)
{
    lh_str name = ((const lh_str *)columns->items)[number];
    int proper = name.len > 0 && name.len <= LH_TEXT_NAME_BYTES_MAX;
    for (size_t i = 0; i < name.len && proper; i++) {
        char c = name.ptr[i];
        proper = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_' || (uint8_t)c >= 0x80;
    }
    return proper ? name : lh_ctx_fmt(cx, ".%zu", number);
}

lh_text_set_options lhi_words_options(lh_ctx *cx, const lh_words_meta *meta)
{
    uint32_t count = (uint32_t)meta->text_columns.count;
    lh_text_field_options *fields = LH_NEW_ARRAY(cx, lh_text_field_options, count + 1);
    for (uint32_t i = 0; fields && i < count; i++)
        fields[i] = (lh_text_field_options){.name = lhi_words_name(cx, &meta->text_columns, i),
                                            .flags = LH_TEXT_POSITIONS};
    lh_str *facets = LH_NEW_ARRAY(cx, lh_str, meta->facets.count + 1);
    for (size_t i = 0; facets && i < meta->facets.count; i++)
        facets[i] = lhi_words_name(cx, &meta->facets, i);
    return (lh_text_set_options){
        .build = {.fields = fields,
                  .fields_count = count,
                  .facets = {facets, meta->facets.count},
                  .analyzer = {.flags = meta->keep_accents ? LH_TEXT_KEEP_ACCENTS : 0,
                               .stem = meta->language,
                               .stop_words = strings(&meta->stop_words),
                               .synonyms = strings(&meta->synonyms)}}};
}

lh_rc lhi_words_set_open(lh_ctx *cx, lh_store *store, const lh_words_meta *meta, uint32_t flags,
                         lhi_words_set **ret_set)
{
    lhi_words_set *made = lh_alloc_zero(1, sizeof *made);
    if (!made)
        return lh_fail(cx, LH_E_NO_MEMORY, "text index");
    atomic_init(&made->references, 1);
    lh_rc rc = lhi_numbered_init(cx, &made->numbered, store,
                                 lh_ctx_fmt(cx, "text/%.*s/%.*s/", LH_STR_ARG(meta->index_name),
                                            LH_STR_ARG(meta->generation)));
    LH_CLEANUP(lhi_words_set_unref) lhi_words_set *set = made;
    LH_TRY(rc);
    lh_text_set_options options = lhi_words_options(cx, meta);
    options.flags = flags;
    options.build.scratch_path = lh_store_staging(store);
    LH_TRY(lh_text_set_open(cx, &set->numbered.home, &options, &set->set));
    LH_TRY(lhi_numbered_load(cx, &set->numbered));
    *ret_set = LH_TAKE(set);
    return LH_OK;
}
