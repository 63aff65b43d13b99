/* cli/demo_resume.c - a resume in the words of its role: openings, duties, skills and wishes drawn
 * from lists. */
#include "cli/demo_private.h"
#include "cli/demo_words.h"

#include <stdio.h>

const char *const lhi_availability[] = {"immediate", "two weeks", "night shift",
                                        "weekends",  "day shift", "part time"};
const size_t lhi_availability_count = LH_ARRAY_LEN(lhi_availability);

typedef struct page {
    char *out;
    size_t size;
    size_t len;
} page;

static LH_PRINTF(2, 3) void put(page *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->out + p->len, p->size - p->len, format, args);
    va_end(args);
    if (n > 0)
        p->len = LH_MIN(p->len + (size_t)n, p->size - 1);
}

static size_t list_count(const char *const *list)
{
    size_t n = 0;
    while (list[n])
        n++;
    return n;
}

static const char *pick(lhi_random *r, const char *const *list)
{
    return list[lhi_below(r, list_count(list))];
}

static void put_opening(lhi_random *r, page *p, const lhi_person *who, const lh_demo_role *role,
                        const lh_demo_city *city)
{
    static const char *const kinds[] = {"Reliable", "Experienced", "Hard-working", "Careful",
                                        "Friendly"};
    const char *title = pick(r, role->titles);
    switch (lhi_below(r, 4)) {
    case 0:
        put(p, "%s %s with %u years of experience, living in %s, %s. ", kinds[lhi_below(r, 5)],
            title, who->years, city->name, city->state);
        break;
    case 1:
        put(p, "I have worked as a %s for %u years, most of them %s. ", title, who->years,
            city->near);
        break;
    case 2:
        put(p, "%s %s from %s looking for steady work as a %s. ", who->first, who->last, city->name,
            title);
        break;
    default:
        put(p, "Summary: %s, %u years, based in %s (%s). ", title, who->years, city->name,
            city->near);
        break;
    }
}

static void put_duties(lhi_random *r, page *p, const lh_demo_role *role)
{
    size_t count = list_count(role->duties);
    size_t first = lhi_below(r, count);
    size_t many = 3 + lhi_below(r, 2);
    put(p, "At %s I %s, %s", role->places, role->duties[first], role->duties[(first + 1) % count]);
    for (size_t i = 2; i < many; i++)
        put(p, "%s%s", i + 1 == many ? " and " : ", ", role->duties[(first + i) % count]);
    put(p, ". ");
}

static void put_skills(lhi_random *r, page *p, const lh_demo_role *role)
{
    size_t count = list_count(role->skills);
    size_t first = lhi_below(r, count);
    put(p, "%s %s, %s and %s. ", lhi_chance(r, 50) ? "Skills:" : "Good at", role->skills[first],
        role->skills[(first + 1) % count], role->skills[(first + 2) % count]);
    if (lhi_chance(r, 60))
        put(p, "Holds %s. ", pick(r, role->papers));
}

static void put_wishes(lhi_random *r, page *p, const lhi_person *who, const lh_demo_city *city)
{
    static const char *const by_availability[] = {"Can start immediately. ",
                                                  "Available after two weeks of notice. ",
                                                  "Prefers the night shift, third shift is fine. ",
                                                  "Available on weekends, Saturday and Sunday. ",
                                                  "Looking for the day shift, first shift only. ",
                                                  "Wants part time, about twenty hours a week. "};
    static const char *const closings[] = {"Own car, willing to travel thirty miles. ",
                                           "Comes to work by bus and is never late. ",
                                           "References on request. ",
                                           "Speaks English and Spanish. ",
                                           "Steel-toe boots and clean background. ",
                                           "Learns fast and helps the team. "};
    put(p, "%s", by_availability[who->availability]);
    put(p, "%s", closings[lhi_below(r, LH_ARRAY_LEN(closings))]);
    if (lhi_chance(r, 50))
        put(p, "Would like to work close to %s. ", city->name);
    put(p, "%s", closings[lhi_below(r, LH_ARRAY_LEN(closings))]);
}

static unsigned words(const page *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->len; i++)
        n += p->out[i] == ' ';
    return n;
}

size_t lhi_resume(lhi_random *r, const lhi_person *who, char *out, size_t size)
{
    const lh_demo_role *role = &lh_demo_roles[who->role];
    const lh_demo_city *city = &lh_demo_cities[who->city];
    page p = {out, size, 0};
    put_opening(r, &p, who, role, city);
    if (lhi_chance(r, 10))
        put(&p, "\n\n");
    put_duties(r, &p, role);
    put_skills(r, &p, role);
    if (lhi_chance(r, 40)) {
        put(&p, "Before that, worked as a %s for two years: ", pick(r, role->titles));
        put(&p, "%s. ", pick(r, role->duties));
    }
    put_wishes(r, &p, who, city);
    while (words(&p) < 62) {
        put(&p, "Also %s. ", pick(r, role->duties));
    }
    while (p.len > 0 && (out[p.len - 1] == ' ' || out[p.len - 1] == '\n'))
        p.len--;
    return p.len;
}
