/* cli/model_path.c - looks beside the program: installed under a prefix, or in a build folder of
 * the source tree. */
#include "cli/model_path.h"

#include "os/file.h"
#include "os/process.h"

lh_str lh_model_path(lh_ctx *cx)
{
    static const char *const places[] = {"../share/lakehouse/model/all-MiniLM-L6-v2.lhm",
                                         "../../../deps/model/all-MiniLM-L6-v2.lhm"};
    lh_str dir;
    if (lh_program_dir(cx, &dir) != LH_OK) {
        lh_err_clear(cx);
        return LH_STR_NONE;
    }
    for (size_t i = 0; i < LH_ARRAY_LEN(places); i++) {
        lh_str path = lh_path_join(cx, dir, lh_str_from(places[i]));
        if (lh_file_exists(path))
            return path;
    }
    return LH_STR_NONE;
}
