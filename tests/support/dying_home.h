/* dying_home.h - a folder's home of a segment set that dies at one of its next I/O steps, and the
 * dice of random tests.
 *
 *     model_home home;                     home.left counts down its I/O steps
 *     model_home_open(&home, &scratch);
 *
 * Owns:    nothing; borrows its scratch folder.
 * Threads: the countdown is atomic.
 * Limits:  none.
 * Formats: none.
 * Why:     the models of both engines are killed the same way. */
#ifndef LH_TESTS_SUPPORT_DYING_HOME_H
#define LH_TESTS_SUPPORT_DYING_HOME_H

#include "segset/segset_home.h"
#include "support/scratch.h"

#include <stdatomic.h>
#include <unistd.h>

static inline uint32_t model_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33);
}
static inline uint32_t model_below(uint64_t *state, uint32_t limit)
{
    return model_random(state) % limit;
}

typedef struct model_home {
    char dir[300];
    lh_segset_folder folder;
    lh_segset_home real;
    lh_segset_home home; /* what the set gets */
    atomic_int left;     /* I/O steps until it dies; below 0: it does not */
    atomic_int dead;
    atomic_uint how; /* what the step that dies leaves behind */
} model_home;

/* 1: this step is the last one. */
static inline int model_home_dies(model_home *h)
{
    if (atomic_load(&h->left) < 0 || atomic_fetch_sub(&h->left, 1) != 0)
        return 0;
    atomic_store(&h->dead, 1);
    return 1;
}

static inline lh_rc model_home_gone(lh_ctx *cx)
{
    return lh_fail(cx, LH_E_IO, "the home is gone");
}

static inline lh_rc model_home_put(lh_ctx *cx, void *arg, lh_str name, lh_segset_fill fill,
                                   void *fill_arg)
{
    model_home *h = arg;
    if (atomic_load(&h->dead))
        return model_home_gone(cx);
    if (!model_home_dies(h))
        return h->real.put(cx, h->real.arg, name, fill, fill_arg);
    uint32_t how = atomic_fetch_add(&h->how, 1) % 3;
    if (how == 1) /* there, but nobody was told */
        LH_IGNORE(h->real.put(cx, h->real.arg, name, fill, fill_arg));
    if (how == 2) /* half written */
        LH_IGNORE(lh_file_replace(
            cx, lh_ctx_fmt(cx, "%.*s/%.*s.new", LH_STR_ARG(h->folder.dir), LH_STR_ARG(name)),
            LH_S("half")));
    return model_home_gone(cx);
}

static inline lh_rc model_home_map(lh_ctx *cx, void *arg, lh_str name, lh_map *ret_map)
{
    model_home *h = arg;
    if (atomic_load(&h->dead) || model_home_dies(h))
        return model_home_gone(cx);
    return h->real.map(cx, h->real.arg, name, ret_map);
}

static inline lh_rc model_home_list(lh_ctx *cx, void *arg, lh_str_list *ret_names)
{
    model_home *h = arg;
    if (atomic_load(&h->dead) || model_home_dies(h))
        return model_home_gone(cx);
    return h->real.list(cx, h->real.arg, ret_names);
}

static inline lh_rc model_home_remove(lh_ctx *cx, void *arg, lh_str name)
{
    model_home *h = arg;
    if (atomic_load(&h->dead))
        return model_home_gone(cx);
    if (!model_home_dies(h))
        return h->real.remove(cx, h->real.arg, name);
    if (atomic_fetch_add(&h->how, 1) % 2)
        LH_IGNORE(h->real.remove(cx, h->real.arg, name));
    return model_home_gone(cx);
}

static inline void model_home_open(model_home *h, lh_scratch *s)
{
    snprintf(h->dir, sizeof h->dir, "%s/set", s->dir); /* the arena is reset between steps */
    h->folder.dir = lh_str_from(h->dir);
    ck_lh_ok(s, lh_segset_home_folder(&s->cx, &h->folder, &h->real));
    h->home =
        (lh_segset_home){h, model_home_put, model_home_map, model_home_list, model_home_remove};
    atomic_init(&h->left, -1);
    atomic_init(&h->dead, 0);
    atomic_init(&h->how, 0);
}

/* Memory is disk enough for thousands of steps: a kill of the program loses neither. */
static inline void model_scratch_open(lh_scratch *s)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    lh_scratch_open(s);
}

#endif
