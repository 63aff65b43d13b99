/* path.c - joining, splitting and resolving paths.
 *
 * Text only, but for lh_path_absolute: files, folders and durable replace stand on it. */
#include "os/os_private.h"

#include <errno.h>
#include <stdlib.h>

lh_str lh_path_join(lh_ctx *cx, lh_str a, lh_str b)
{
    while (a.len > 1 && a.ptr[a.len - 1] == '/')
        a.len--;
    while (b.len > 0 && b.ptr[0] == '/')
        b = lh_str_from_offset(b, 1);
    const char *slash = a.len == 0 || a.ptr[a.len - 1] == '/' || b.len == 0 ? "" : "/";
    return lh_ctx_fmt(cx, "%.*s%s%.*s", LH_STR_ARG(a), slash, LH_STR_ARG(b));
}

lh_rc lh_path_absolute(lh_ctx *cx, lh_str path, lh_str *ret_path)
{
    const char *text = lh_ctx_cstr(cx, path);
    if (text == NULL)
        return lh_fail(cx, LH_E_BAD_NAME, "a path with a NUL byte");
    char *absolute = realpath(text, NULL);
    if (absolute == NULL)
        return lh_fail_errno(cx, "resolving a path", errno);
    lh_str copy = lh_ctx_dup(cx, lh_str_from(absolute));
    free(absolute);
    if (copy.ptr == NULL)
        return LH_E_NO_MEMORY;
    *ret_path = copy;
    return LH_OK;
}

lh_str lh_path_dir(lh_str path)
{
    size_t slash = lh_str_rfind_char(path, '/');
    if (slash == LH_STR_NPOS)
        return LH_S(".");
    return slash == 0 ? LH_S("/") : lh_str_sub(path, 0, slash);
}

lh_str lh_path_base(lh_str path)
{
    size_t slash = lh_str_rfind_char(path, '/');
    return slash == LH_STR_NPOS ? path : lh_str_from_offset(path, slash + 1);
}
