// f64_text.cc - doubles to text and back by the C++ library's charconv: shortest, correctly rounded, blind to the
// locale. C has neither; this is the whole reason for a C++ file.
extern "C" {
#include "base/num.h"
}

#include <charconv>
#include <cmath>
#include <cstring>

// Accepts exactly the number grammar of RFC 8259. ret_exponent = power of ten of the first digit that is not 0
// (of any size: it only decides between overflow and underflow).
static bool scan_json_number(lh_str text, int64_t *ret_exponent)
{
    const char *p = text.ptr;
    const char *end = text.ptr + text.len;
    auto digit = [&] { return p < end && *p >= '0' && *p <= '9'; };
    int64_t exponent = -1;
    bool found = false;
    if (p < end && *p == '-')
        p++;
    if (!digit())
        return false;
    if (*p == '0') {
        p++;
    } else {
        found = true;
        for (; digit(); p++)
            exponent++;
    }
    if (p < end && *p == '.') {
        p++;
        if (!digit())
            return false;
        for (; digit(); p++) {
            if (!found && *p == '0')
                exponent--;
            else
                found = true;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        bool negative = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        if (!digit())
            return false;
        int64_t value = 0;
        for (; digit(); p++)
            if (value < INT64_C(1) << 40)
                value = value * 10 + (*p - '0');
        exponent += negative ? -value : value;
    }
    *ret_exponent = exponent;
    return p == end;
}

template <class Real> static size_t real_text(Real value, char *out, Real fixed_below)
{
    if (std::isnan(value)) {
        memcpy(out, "nan", 3);
        return 3;
    }
    if (std::isinf(value)) {
        memcpy(out, "-inf", 4);
        if (value < 0)
            return 4;
        memcpy(out, "inf", 3);
        return 3;
    }
    Real magnitude = std::fabs(value);
    bool fixed = value == Real(0) || (magnitude >= Real(1e-6) && magnitude < fixed_below);
    std::to_chars_result done =
        std::to_chars(out, out + LH_F64_TEXT_MAX, value,
                      fixed ? std::chars_format::fixed : std::chars_format::scientific);
    return static_cast<size_t>(done.ptr - out);
}

extern "C" bool lh_parse_f64(lh_str text, double *ret)
{
    int64_t exponent;
    if (text.len == 0 || !scan_json_number(text, &exponent))
        return false;
    double value = 0;
    std::from_chars_result done = std::from_chars(text.ptr, text.ptr + text.len, value);
    if (done.ec == std::errc::result_out_of_range) {
        if (exponent > 0)
            return false;
        value = text.ptr[0] == '-' ? -0.0 : 0.0;
    } else if (done.ec != std::errc()) {
        return false;
    }
    if (!std::isfinite(value))
        return false;
    *ret = value;
    return true;
}

// Integers below 2^53 and everyday fractions are shown without an exponent, as people write them.
extern "C" size_t lh_f64_text(double value, char *out)
{
    return real_text<double>(value, out, 1e17);
}

extern "C" size_t lh_f32_text(float value, char *out)
{
    return real_text<float>(value, out, 1e9F);
}
