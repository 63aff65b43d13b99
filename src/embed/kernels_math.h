/* embed/kernels_math.h - powers and GELU over 16 lanes; a part of kernels_vector.h.
 *
 * Owns:    nothing.
 * Threads: pure.
 * Limits:  said at each function.
 * Formats: none.
 * Why:     polynomials fitted by tools/fit_kernels.py: the same operations on every instruction
 *          set, so the same bits. */
#ifndef LH_EMBED_KERNELS_MATH_H
#define LH_EMBED_KERNELS_MATH_H

#define LHI_INLINE static inline __attribute__((always_inline))

/* 2^x for x in [-126, 127]; fitted by tools/fit_kernels.py, error below 2e-9 + rounding. */
LHI_INLINE v16 exp2_of(v16 x)
{
    v16 whole = v_round(x);
    v16 part = v_sub(x, whole);
    v16 p = v_set(0.00015345819701906294f);
    p = v_fma(p, part, v_set(0.0013399936724454165f));
    p = v_fma(p, part, v_set(0.009618489071726799f));
    p = v_fma(p, part, v_set(0.05550328642129898f));
    p = v_fma(p, part, v_set(0.24022646248340607f));
    p = v_fma(p, part, v_set(0.6931471824645996f));
    p = v_fma(p, part, v_set(1.0f));
    return v_mul(p, v_power_of_two(whole));
}

/* e^x for x <= 0, as softmax needs it. */
LHI_INLINE v16 exp_of(v16 x)
{
    return exp2_of(v_max(v_mul(x, v_set(1.44269504f)), v_set(-126.0f)));
}

/* gelu(x) = max(x, 0) - |x| * tail(|x|), tail = upper tail of the normal distribution = 2^p;
 * same source. */
LHI_INLINE v16 gelu_of(v16 x)
{
    v16 size = v_abs(x);
    v16 u = v_min(size, v_set(6.0f));
    v16 p = v_set(3.668858141736564e-07f);
    p = v_fma(p, u, v_set(-7.368955721176462e-06f));
    p = v_fma(p, u, v_set(6.141285848570988e-05f));
    p = v_fma(p, u, v_set(-0.00023938270169310272f));
    p = v_fma(p, u, v_set(-7.193938654381782e-05f));
    p = v_fma(p, u, v_set(0.007031067740172148f));
    p = v_fma(p, u, v_set(-0.05250157415866852f));
    p = v_fma(p, u, v_set(-0.4591972231864929f));
    p = v_fma(p, u, v_set(-1.1511083841323853f));
    p = v_fma(p, u, v_set(-0.9999997615814209f));
    return v_sub(v_max(x, v_set(0.0f)), v_mul(size, exp2_of(p)));
}

/* A value of each panel of a tile: 1, 2 or 4 of them, worked on side by side, because one alone
 * would wait for itself. A struct, not an array: gcc keeps arrays in memory through inner loops. */
typedef struct tile_row {
    v16 c0, c1, c2, c3;
} tile_row;

/* step(c0) and so on for as many panels. */
#define EACH_PANEL(panels, step)                                                                   \
    do {                                                                                           \
        step(c0);                                                                                  \
        if ((panels) > 1)                                                                          \
            step(c1);                                                                              \
        if ((panels) > 2) {                                                                        \
            step(c2);                                                                              \
            step(c3);                                                                              \
        }                                                                                          \
    } while (0)

/* p * u + next. */
LHI_INLINE tile_row row_horner(const int panels, tile_row p, const tile_row *u, float next)
{
    const v16 k = v_set(next);
#define STEP(c) p.c = v_fma(p.c, u->c, k)
    EACH_PANEL(panels, STEP);
#undef STEP
    return p;
}

/* max(x, 0) - u * p: what the short forms end in. */
LHI_INLINE tile_row gelu_end(const int panels, tile_row x, const tile_row *u, const tile_row *p)
{
    const v16 zero = v_set(0);
#define STEP(c) x.c = v_sub(v_max(x.c, zero), v_mul(u->c, p->c))
    EACH_PANEL(panels, STEP);
#undef STEP
    return x;
}

LHI_INLINE tile_row gelu_start(const int panels, tile_row x, float end)
{
    const v16 most = v_set(end);
#define STEP(c) x.c = v_min(v_abs(x.c), most)
    EACH_PANEL(panels, STEP);
#undef STEP
    return x;
}

/* gelu for results that are rounded to bf16 at once (error below 1.5e-5): the tail itself is the
 * polynomial, which saves half of the work. */
LHI_INLINE tile_row gelu_of_half(const int panels, tile_row x)
{
    const v16 first = v_set(-1.2893290659121703e-05f);
    const tile_row u = gelu_start(panels, x, 4.5f);
    tile_row p = {first, first, first, first};
    p = row_horner(panels, p, &u, 0.00030499533750116825f);
    p = row_horner(panels, p, &u, -0.0029695138800889254f);
    p = row_horner(panels, p, &u, 0.014883912168443203f);
    p = row_horner(panels, p, &u, -0.037505920976400375f);
    p = row_horner(panels, p, &u, 0.028163252398371696f);
    p = row_horner(panels, p, &u, 0.05220023915171623f);
    p = row_horner(panels, p, &u, 0.0016786158084869385f);
    p = row_horner(panels, p, &u, -0.3978450894355774f);
    p = row_horner(panels, p, &u, 0.49974456429481506f);
    return gelu_end(panels, x, &u, &p);
}

/* The same for int8 (error below 2e-4): a 255th of a row's range is some 0.015. */
LHI_INLINE tile_row gelu_of_byte(const int panels, tile_row x)
{
    const v16 first = v_set(-0.0006428085616789758f);
    const tile_row u = gelu_start(panels, x, 4.0f);
    tile_row p = {first, first, first, first};
    p = row_horner(panels, p, &u, 0.009920772165060043f);
    p = row_horner(panels, p, &u, -0.057561423629522324f);
    p = row_horner(panels, p, &u, 0.13995668292045593f);
    p = row_horner(panels, p, &u, -0.04278849810361862f);
    p = row_horner(panels, p, &u, -0.39083150029182434f);
    p = row_horner(panels, p, &u, 0.5004944801330566f);
    return gelu_end(panels, x, &u, &p);
}

#endif
