/* fuzz_config.c - TOML and the configuration rows over it: any text is loaded or refused with its
 * place. links: base */
#include "base/config.h"
#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct settings {
    lh_str listen;
    bool enabled;
    int64_t workers;
    double share;
    uint64_t memory;
    int64_t timeout_us;
    int level;
    lh_str_list origins;
} settings;

static const char *const levels[] = {"error", "info", NULL};
#define KEY(key_name, config_type, member, ...)                                                    \
    {                                                                                              \
        .section = "s", .key = (key_name), .type = LH_C_##config_type,                             \
        .offset = offsetof(settings, member), __VA_ARGS__                                          \
    }
static const lh_config_key keys[] = {
    KEY("listen", STR, listen, .def = "127.0.0.1:3100"),
    KEY("enabled", BOOL, enabled, .def = "true"),
    KEY("workers", I64, workers, .min = 1, .max = 64, .def = "4"),
    KEY("share", F64, share, .min = 0, .max = 1, .def = "0.5"),
    KEY("memory", SIZE, memory, .def = "1MiB"),
    KEY("timeout", DURATION, timeout_us, .min = 1000, .max = 60000000, .def = "10s"),
    KEY("level", ENUM, level, .names = levels, .def = "info"),
    KEY("origins", STR_LIST, origins, .def = ""),
    {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lh_arena *arena = lh_arena_new(0);
    lh_ctx cx;
    lh_ctx_init(&cx, arena);
    lh_str text = lh_str_n(data, size);
    lh_toml_entry *entries;
    size_t count;
    if (lh_toml_parse(&cx, text, &entries, &count) == LH_OK)
        for (size_t i = 0; i < count; i++)
            lh_assert(entries[i].path.ptr != NULL && entries[i].line > 0);
    else
        lh_assert(cx.err.rc == LH_E_BAD_CONFIG && cx.err.message[0] != '\0');
    settings s;
    if (lh_config_load(&cx, keys, text, "fuzz.toml", &s) == LH_OK)
        lh_assert(s.workers >= 1 && s.workers <= 64 && s.share >= 0 && s.share <= 1 &&
                  (s.level == 0 || s.level == 1));
    else
        lh_assert(cx.err.rc == LH_E_BAD_CONFIG && cx.err.line > 0);
    lh_arena_free(arena);
    return 0;
}
