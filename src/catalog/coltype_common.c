/* coltype_common.c - the least type that holds the values of two: a table for plain types, rules
 * for nested ones.
 *
 * Widening loses nothing or it is text. Iceberg's promotions (int to long, float to double, a wider
 * decimal of equal scale) are among them; so are a few more (32-bit integers in DOUBLE, decimals of
 * 15 digits in DOUBLE, from which they come back unchanged, DATE in TIMESTAMP). BIGINT and DOUBLE
 * have no common number by type alone, because beyond 2^53 one of them would change: who knows the
 * values says so in the column's range. */
#include "catalog/coltype.h"

typedef enum word_class {
    CLASS_SIGNED,
    CLASS_UNSIGNED,
    CLASS_FLOAT,
    CLASS_TIME,
    CLASS_NULL
} word_class;

/* To add a plain type that takes part in widening: a row. Others are only equal to themselves. */
static const struct {
    lh_str word;
    word_class class;
    uint32_t bits; /* SIGNED, UNSIGNED, FLOAT: width; TIME: rank, a higher one holds a lower one */
    uint32_t digits; /* decimal digits of the widest value */
} words[] = {
    {LH_S_INIT("TINYINT"), CLASS_SIGNED, 8, 3},
    {LH_S_INIT("SMALLINT"), CLASS_SIGNED, 16, 5},
    {LH_S_INIT("INTEGER"), CLASS_SIGNED, 32, 10},
    {LH_S_INIT("BIGINT"), CLASS_SIGNED, 64, 19},
    {LH_S_INIT("HUGEINT"), CLASS_SIGNED, 128, 39},
    {LH_S_INIT("UTINYINT"), CLASS_UNSIGNED, 8, 3},
    {LH_S_INIT("USMALLINT"), CLASS_UNSIGNED, 16, 5},
    {LH_S_INIT("UINTEGER"), CLASS_UNSIGNED, 32, 10},
    {LH_S_INIT("UBIGINT"), CLASS_UNSIGNED, 64, 20},
    {LH_S_INIT("UHUGEINT"), CLASS_UNSIGNED, 128, 39},
    {LH_S_INIT("FLOAT"), CLASS_FLOAT, 32, 0},
    {LH_S_INIT("DOUBLE"), CLASS_FLOAT, 64, 0},
    {LH_S_INIT("DATE"), CLASS_TIME, 1, 0},
    {LH_S_INIT("TIMESTAMP_S"), CLASS_TIME, 2, 0},
    {LH_S_INIT("TIMESTAMP_MS"), CLASS_TIME, 3, 0},
    {LH_S_INIT("TIMESTAMP"), CLASS_TIME, 4, 0},
    {LH_S_INIT("NULL"), CLASS_NULL, 0, 0},
};
enum {
    DECIMAL_DIGITS_MAX = 38,
    FLOAT_INT_BITS = 16,
    DOUBLE_INT_BITS = 32,
    DOUBLE_DIGITS = 15 /* DBL_DIG */
};

static const lh_coltype varchar = {.kind = LH_COLTYPE_WORD, .word = LH_S_INIT("VARCHAR")};

static int find_word(const lh_coltype *type)
{
    for (size_t i = 0; type->kind == LH_COLTYPE_WORD && i < LH_ARRAY_LEN(words); i++)
        if (lh_str_eq(type->word, words[i].word))
            return (int)i;
    return -1;
}

static int is_integer(int word)
{
    return word >= 0 && (words[word].class == CLASS_SIGNED || words[word].class == CLASS_UNSIGNED);
}

static lh_rc new_word(lh_ctx *cx, lh_str word, const lh_coltype **ret)
{
    lh_coltype *type = LH_NEW(cx, lh_coltype);
    if (type == NULL)
        return LH_E_NO_MEMORY;
    type->word = word;
    *ret = type;
    return LH_OK;
}

/* NULL when no DECIMAL is wide enough. */
static lh_rc new_decimal(lh_ctx *cx, uint32_t whole, uint32_t scale, const lh_coltype **ret)
{
    if (whole + scale > DECIMAL_DIGITS_MAX)
        return LH_OK;
    lh_coltype *type = LH_NEW(cx, lh_coltype);
    if (type == NULL)
        return LH_E_NO_MEMORY;
    type->kind = LH_COLTYPE_DECIMAL;
    type->precision = whole + scale;
    type->scale = scale;
    *ret = type;
    return LH_OK;
}

static lh_rc common_integer(lh_ctx *cx, int a, int b, const lh_coltype **ret)
{
    if (words[a].class == words[b].class)
        return new_word(cx, words[words[a].bits > words[b].bits ? a : b].word, ret);
    int is_signed = words[a].class == CLASS_SIGNED ? a : b;
    int is_unsigned = is_signed == a ? b : a;
    uint32_t bits = LH_MAX(words[is_signed].bits, 2 * words[is_unsigned].bits);
    for (size_t i = 0; i < LH_ARRAY_LEN(words); i++)
        if (words[i].class == CLASS_SIGNED && words[i].bits == bits && bits < 128)
            return new_word(cx, words[i].word, ret);
    return new_decimal(cx, LH_MAX(words[a].digits, words[b].digits), 0, ret);
}

/* Two different plain types; *ret stays NULL when nothing holds both. */
static lh_rc common_word(lh_ctx *cx, int a, int b, const lh_coltype **ret)
{
    if (is_integer(a) && is_integer(b))
        return common_integer(cx, a, b, ret);
    if (words[a].class == words[b].class)
        return new_word(cx, words[words[a].bits > words[b].bits ? a : b].word, ret);
    int real = words[a].class == CLASS_FLOAT ? a : b;
    int other = real == a ? b : a;
    if (words[real].class != CLASS_FLOAT || !is_integer(other))
        return LH_OK;
    /* one bit less for signs makes no difference to these bounds */
    if (words[real].bits == 32 && words[other].bits <= FLOAT_INT_BITS)
        return new_word(cx, words[real].word, ret);
    if (words[other].bits <= DOUBLE_INT_BITS)
        return new_word(cx, LH_S("DOUBLE"), ret);
    return LH_OK;
}

static lh_rc common_decimal(lh_ctx *cx, const lh_coltype *a, const lh_coltype *b,
                            const lh_coltype **ret)
{
    uint32_t whole[2], scale[2];
    const lh_coltype *both[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        int word = find_word(both[i]);
        if (word >= 0 && words[word].class == CLASS_FLOAT &&
            both[1 - i]->precision <= DOUBLE_DIGITS)
            return new_word(cx, LH_S("DOUBLE"), ret);
        if (both[i]->kind != LH_COLTYPE_DECIMAL && !is_integer(word))
            return LH_OK;
        scale[i] = word >= 0 ? 0 : both[i]->scale;
        whole[i] = word >= 0 ? words[word].digits : both[i]->precision - both[i]->scale;
    }
    return new_decimal(cx, LH_MAX(whole[0], whole[1]), LH_MAX(scale[0], scale[1]), ret);
}

static int same_names(const lh_coltype *a, const lh_coltype *b)
{
    if (a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (!lh_str_eq(a->names[i], b->names[i]))
            return 0;
    return 1;
}

static lh_rc common(lh_ctx *cx, const lh_coltype *a, const lh_coltype *b, const lh_coltype **ret,
                    lh_coltype_fit *fit);

/* Lists, maps and structs of the same shape: part by part. A part that fits only as text becomes
 * text in its place. */
static lh_rc common_parts(lh_ctx *cx, const lh_coltype *a, const lh_coltype *b,
                          const lh_coltype **ret, lh_coltype_fit *fit)
{
    lh_coltype *type = LH_NEW(cx, lh_coltype);
    lh_coltype **parts = LH_NEW_ARRAY(cx, lh_coltype *, a->count);
    if (type == NULL || parts == NULL)
        return LH_E_NO_MEMORY;
    *type = *a;
    for (size_t i = 0; i < a->count; i++) {
        const lh_coltype *part = NULL;
        lh_coltype_fit part_fit;
        LH_TRY(common(cx, a->parts[i], b->parts[i], &part, &part_fit));
        parts[i] = LH_NEW(cx, lh_coltype);
        if (parts[i] == NULL)
            return LH_E_NO_MEMORY;
        *parts[i] = *part;
        *fit = LH_MAX(*fit, part_fit);
    }
    type->parts = parts;
    *ret = type;
    return LH_OK;
}

static lh_rc common(lh_ctx *cx, const lh_coltype *a, const lh_coltype *b, const lh_coltype **ret,
                    lh_coltype_fit *fit)
{
    *ret = NULL;
    *fit = LH_COLTYPE_SAME;
    int word_a = find_word(a), word_b = find_word(b);
    if (a->kind == LH_COLTYPE_WORD && b->kind == LH_COLTYPE_WORD && lh_str_eq(a->word, b->word)) {
        *ret = a;
    } else if (word_a >= 0 && words[word_a].class == CLASS_NULL) {
        *fit = LH_COLTYPE_WIDER;
        *ret = b;
    } else if (word_b >= 0 && words[word_b].class == CLASS_NULL) {
        *fit = LH_COLTYPE_WIDER;
        *ret = a;
    } else if (word_a >= 0 && word_b >= 0) {
        *fit = LH_COLTYPE_WIDER;
        LH_TRY(common_word(cx, word_a, word_b, ret));
    } else if (a->kind == LH_COLTYPE_DECIMAL && b->kind == LH_COLTYPE_DECIMAL &&
               a->precision == b->precision && a->scale == b->scale) {
        *ret = a;
    } else if (a->kind == LH_COLTYPE_DECIMAL || b->kind == LH_COLTYPE_DECIMAL) {
        *fit = LH_COLTYPE_WIDER;
        LH_TRY(common_decimal(cx, a, b, ret));
    } else if (a->kind == b->kind && a->kind == LH_COLTYPE_ENUM) {
        *ret = same_names(a, b) ? a : NULL;
    } else if (a->kind == b->kind && a->kind != LH_COLTYPE_WORD && same_names(a, b) &&
               a->items == b->items) {
        LH_TRY(common_parts(cx, a, b, ret, fit));
    }
    if (*ret == NULL) {
        *ret = &varchar;
        *fit = LH_COLTYPE_TEXT;
    }
    return LH_OK;
}

lh_rc lh_coltype_common(lh_ctx *cx, lh_str a, lh_str b, lh_str *ret_type, lh_coltype_fit *ret_fit)
{
    lh_coltype *type_a = NULL, *type_b = NULL;
    const lh_coltype *type = NULL;
    lh_coltype_fit fit;
    LH_TRY(lh_coltype_parse(cx, a, &type_a));
    LH_TRY(lh_coltype_parse(cx, b, &type_b));
    LH_TRY(common(cx, type_a, type_b, &type, &fit));
    LH_TRY(lh_coltype_text(cx, type, ret_type));
    *ret_fit = fit;
    return LH_OK;
}
