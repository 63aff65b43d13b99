// toml.cc - toml++ (header-only, so that Debian's differently built library does not matter) walked value by value.
// Compiled without exceptions and RTTI: memory that runs out inside the library ends the process, which at start is as
// good as an error. Header-only needs TOML_EXCEPTIONS=0 from the build.
#include "base/toml_private.h"

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <toml++/toml.h>

namespace {

struct walker {
    int (*visit)(void *arg, const lhi_toml_value *value);
    void *arg;
    int outcome;
};

bool is_bare_key(std::string_view key)
{
    for (char c : key)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    return !key.empty();
}

// A key with a dot in it is quoted, so that it cannot pass for a section.
std::string child_path(const std::string &path, std::string_view key)
{
    std::string out = path.empty() ? std::string() : path + ".";
    if (is_bare_key(key))
        return out.append(key);
    out += '"';
    out.append(key);
    out += '"';
    return out;
}

void show(walker &w, const std::string &path, const toml::node &node, int kind,
          std::string_view text)
{
    auto begin = node.source().begin;
    lhi_toml_value value = {};
    value.path = path.data();
    value.path_len = path.size();
    value.kind = kind;
    value.text = text.data();
    value.text_len = text.size();
    value.line = static_cast<int>(begin.line);
    value.column = static_cast<int>(begin.column);
    w.outcome = w.visit(w.arg, &value);
}

template <class Number>
void show_number(walker &w, const std::string &path, const toml::node &node, int kind, Number n)
{
    char digits[64];
    auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
    show(w, path, node, kind, {digits, static_cast<size_t>(end - digits)});
}

void show_scalar(walker &w, const std::string &path, const toml::node &node)
{
    if (auto text = node.as_string())
        show(w, path, node, LHI_TOML_STR, text->get());
    else if (auto integer = node.as_integer())
        show_number(w, path, node, LHI_TOML_INT, integer->get());
    else if (auto real = node.as_floating_point())
        show_number(w, path, node, LHI_TOML_FLOAT, real->get());
    else if (auto flag = node.as_boolean())
        show(w, path, node, LHI_TOML_BOOL, flag->get() ? "true" : "false");
    else
        show(w, path, node, LHI_TOML_OTHER, "");
}

void walk(walker &w, const std::string &path, const toml::node &node)
{
    if (auto table = node.as_table()) {
        for (auto &&[key, value] : *table) {
            if (w.outcome != 0)
                return;
            walk(w, child_path(path, key.str()), value);
        }
    } else if (auto array = node.as_array()) {
        if (array->empty())
            show(w, path, node, LHI_TOML_EMPTY_ARRAY, "");
        for (size_t i = 0; i < array->size() && w.outcome == 0; i++)
            walk(w, path + "[" + std::to_string(i) + "]", *array->get(i));
    } else {
        show_scalar(w, path, node);
    }
}

} // namespace

extern "C" int lhi_toml_walk(const char *text, size_t len,
                             int (*visit)(void *arg, const lhi_toml_value *value), void *arg,
                             lhi_toml_error *ret_error)
{
    toml::parse_result result = toml::parse(std::string_view(len > 0 ? text : "", len));
    if (!result) {
        std::string_view what = result.error().description();
        size_t count =
            what.size() < sizeof ret_error->message ? what.size() : sizeof ret_error->message - 1;
        memcpy(ret_error->message, what.data(), count);
        ret_error->message[count] = '\0';
        ret_error->line = static_cast<int>(result.error().source().begin.line);
        ret_error->column = static_cast<int>(result.error().source().begin.column);
        return -1;
    }
    walker w{visit, arg, 0};
    walk(w, std::string(), result.table());
    return w.outcome;
}
