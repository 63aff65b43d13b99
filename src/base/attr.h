/* base/attr.h - compiler attributes, ownership helpers and assertions used everywhere.
 *
 * Owns:    nothing.
 * Threads: pure macros.
 * Limits:  GNU C (gcc, clang).
 * Formats: none.
 * Why:     one spelling for warn_unused_result, cleanup and take, so that error paths vanish. */
#ifndef LH_BASE_ATTR_H
#define LH_BASE_ATTR_H

#include <stddef.h>

#define LH_WARN_UNUSED                     __attribute__((warn_unused_result))
#define LH_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define LH_NORETURN                        __attribute__((noreturn))
#define LH_COLD                            __attribute__((cold, noinline))
#define LH_LIKELY(x)                       __builtin_expect(!!(x), 1)
#define LH_UNLIKELY(x)                     __builtin_expect(!!(x), 0)

/* Declares `fn_cleanup` for LH_CLEANUP(fn): fn takes a pointer, accepts NULL and half-built
 * objects. */
#define LH_DEFINE_CLEANUP(type, fn)                                                                \
    static inline void fn##_cleanup(type **p)                                                      \
    {                                                                                              \
        if (*p)                                                                                    \
            (void)fn(*p);                                                                          \
    }
/* For objects embedded by value: fn takes the address. */
#define LH_DEFINE_CLEANUP_VALUE(type, fn)                                                          \
    static inline void fn##_cleanup(type *p)                                                       \
    {                                                                                              \
        fn(p);                                                                                     \
    }
#define LH_CLEANUP(fn) __attribute__((cleanup(fn##_cleanup)))

/* Hands an owned pointer on: yields its value and sets the variable to NULL. */
#define LH_TAKE(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

/* A deliberate drop of a result that must normally be used. */
#define LH_IGNORE(expr)                                                                            \
    do {                                                                                           \
        __typeof__(expr) ignored_ = (expr);                                                        \
        (void)ignored_;                                                                            \
    } while (0)

#define LH_ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define LH_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The smaller and the larger of two: each argument is evaluated once. The counter keeps the names
 * of nested ones apart. Not for constants at file scope. */
#define LH_MIN(a, b)            LHI_CHOOSE(a, b, <, __COUNTER__)
#define LH_MAX(a, b)            LHI_CHOOSE(a, b, >, __COUNTER__)
#define LHI_CHOOSE(a, b, op, n) LHI_CHOOSE_NAMED(a, b, op, n)
#define LHI_CHOOSE_NAMED(a, b, op, n)                                                              \
    __extension__({                                                                                \
        const __auto_type first_##n = (a);                                                         \
        const __auto_type second_##n = (b);                                                        \
        first_##n op second_##n ? first_##n : second_##n;                                          \
    })

/* For our own mistakes, never for the world's: on in every build. */
#define lh_assert(cond)                                                                            \
    do {                                                                                           \
        if (LH_UNLIKELY(!(cond)))                                                                  \
            lh_assert_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)
LH_NORETURN LH_COLD void lh_assert_failed(const char *condition, const char *file, int line);

#endif
