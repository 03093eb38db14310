// SPDX-License-Identifier: MIT
// See options.h. A parser gets one value, writes to boot_options, and says whether the value made sense;
// a list that goes wrong in the middle keeps what stood before, as on Xen.
#include "hypervisor/options.h"
#include "hypervisor/layout.h"
#include "hypervisor/string.h"

#define VALUE_MAX 128
#define MAX_BAUD 115200

struct boot_options boot_options = {
    .has_console = true,
    .baud = MAX_BAUD,
    .log_level = LOG_INFO,
    .dom0_mem_max = {.bytes = UINT64_MAX},
    .dom0_vcpus_min = 1,
    .dom0_vcpus_max = UINT32_MAX,
    .dom0_words = "",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool equals(const char *a, const char *b)
{
    return strncmp(a, b, VALUE_MAX) == 0;
}

// Decimal, or hexadecimal behind 0x; too large becomes UINT64_MAX. `*s` is moved behind the digits; false
// if there is none.
static bool take_number(const char **s, uint64_t *n)
{
    const char *c = *s;
    unsigned base = c[0] == '0' && (c[1] | 0x20) == 'x' ? 16 : 10;

    c += base == 16 ? 2 : 0;
    *n = 0;
    for (const char *first = c;; c++) {
        unsigned digit = base;
        if (is_digit(*c))
            digit = (unsigned)(*c - '0');
        else if ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'f')
            digit = (unsigned)((*c | 0x20) - 'a' + 10);
        if (digit >= base) {
            *s = c;
            return c > first;
        }
        *n = *n > (UINT64_MAX - digit) / base ? UINT64_MAX : *n * base + digit;
    }
}

// A number that is the whole of `s`.
static bool whole_number(const char *s, uint64_t max, unsigned *n)
{
    uint64_t value;

    if (!take_number(&s, &value) || *s || value > max)
        return false;
    *n = (unsigned)value;
    return true;
}

static bool parse_boolean(const char *value, bool *result)
{
    static const struct {
        const char *word;
        bool is_on;
    } words[] = {
        {"",        true },
        {"1",       true },
        {"on",      true },
        {"yes",     true },
        {"true",    true },
        {"enable",  true },
        {"0",       false},
        {"off",     false},
        {"no",      false},
        {"false",   false},
        {"disable", false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        if (equals(value, words[i].word)) {
            *result = words[i].is_on;
            return true;
        }
    }
    return false;
}

// The next word of the list `*list`, without the comma behind it; false at the end.
static bool next_word(char **list, char **word)
{
    char *c = *list;

    if (!c)
        return false;
    for (*word = c; *c && *c != ','; c++)
        ;
    *list = *c ? c + 1 : NULL;
    *c = 0;
    return true;
}

static bool parse_console(char *value)
{
    bool is_good = true;
    char *word;

    boot_options.has_console = false;
    while (next_word(&value, &word)) {
        if (equals(word, "com1"))
            boot_options.has_console = true;
        else if (equals(word, "vga"))
            log_warn("options: there is no VGA console");
        else if (!equals(word, "none"))
            is_good = false;
    }
    return is_good;
}

// What can be said of the port besides its speed is what it is.
static bool parse_com1(char *value)
{
    static const char *const fixed[] = {"8n1", "0x3f8", "4"};
    unsigned baud = 0;
    char *word;

    if (!next_word(&value, &word) ||
        (!equals(word, "auto") && (!whole_number(word, MAX_BAUD, &baud) || !baud)))
        return false;
    boot_options.baud = baud;
    for (unsigned i = 0; next_word(&value, &word); i++) {
        if (i >= ARRAY_SIZE(fixed) || (*word && !equals(word, fixed[i])))
            return false;
    }
    return true;
}

static bool log_level_of(const char *word, enum log_level *level)
{
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {
        {"none",    LOG_NONE },
        {"error",   LOG_ERROR},
        {"warning", LOG_WARN },
        {"info",    LOG_INFO },
        {"debug",   LOG_DEBUG},
        {"all",     LOG_DEBUG},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
        if (equals(word, levels[i].word)) {
            *level = levels[i].level;
            return true;
        }
    }
    return false;
}

static bool parse_loglvl(char *value)
{
    enum log_level level, limited;
    char *slash = value;

    while (*slash && *slash != '/')
        slash++;
    bool has_limited = *slash;
    *slash = 0;
    if (!log_level_of(value, &level) || (has_limited && !log_level_of(slash + 1, &limited)))
        return false;
    boot_options.log_level = level;
    return true;
}

static bool parse_noreboot(char *value)
{
    return parse_boolean(value, &boot_options.noreboot);
}

// [-]NUMBER[UNIT], [-]NUMBER% or [-]NUMBER[UNIT]+NUMBER%
static bool parse_amount(const char *s, struct memory_amount *amount)
{
    static const char units[] = "bkmgt"; // each 1024 times the one before
    struct memory_amount result = {.is_minus = *s == '-'};
    bool is_first = true, is_percent;
    uint64_t n;

    s += result.is_minus;
    do {
        if (!take_number(&s, &n))
            return false;
        is_percent = *s == '%';
        unsigned unit = 1, i = 0;
        while (units[i] && (*s | 0x20) != units[i])
            i++;
        if (is_percent || units[i])
            s++;
        unit = units[i] ? i : unit;
        if (is_percent ? n >= 100 : !is_first || n > UINT64_MAX >> 10 * unit)
            return false;
        if (is_percent)
            result.percent = (unsigned)n;
        else
            result.bytes = n << 10 * unit;
        is_first = false;
    } while (!is_percent && *s == '+' && s++);
    if (*s)
        return false;
    *amount = result;
    return true;
}

static bool parse_dom0_mem(char *value)
{
    char *word;

    while (next_word(&value, &word)) {
        struct memory_amount *amount = &boot_options.dom0_mem;
        if (strncmp(word, "min:", 4) == 0)
            amount = &boot_options.dom0_mem_min;
        else if (strncmp(word, "max:", 4) == 0)
            amount = &boot_options.dom0_mem_max;
        if (!parse_amount(amount == &boot_options.dom0_mem ? word : word + 4, amount))
            return false;
    }
    return true;
}

static bool parse_dom0_max_vcpus(char *value)
{
    const char *s = value;
    uint64_t min = 1, max = UINT32_MAX;

    if (*s != '-') {
        if (!take_number(&s, &min))
            return false;
        min = MAX(MIN(min, UINT32_MAX), 1u);
    }
    if (!*s)
        max = min;
    else if (*s++ != '-' || (*s && !take_number(&s, &max)) || *s || (s == value + 1))
        return false;
    boot_options.dom0_vcpus_min = (unsigned)min;
    boot_options.dom0_vcpus_max = (unsigned)MIN(max, UINT32_MAX);
    return true;
}

// Booleans of Xen's that tell how to load it.
static bool is_ucode_word(const char *word)
{
    static const char *const known[] = {"scan", "nmi", "allow-same", "digest-check"};
    bool unused;

    word += strncmp(word, "no-", 3) == 0 ? 3 : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        size_t length = strlen(known[i]);
        if (strncmp(word, known[i], length) == 0)
            return !word[length] ||
                   (word[length] == '=' && parse_boolean(word + length + 1, &unused));
    }
    return false;
}

static bool parse_ucode(char *value)
{
    bool is_good = true;
    char *word;
    unsigned n;

    while (next_word(&value, &word)) {
        bool is_minus = *word == '-';
        if (whole_number(word + is_minus, INT32_MAX, &n))
            boot_options.ucode_module = is_minus ? -(int)n : (int)n;
        else
            is_good &= is_ucode_word(word);
    }
    return is_good;
}

static const struct option {
    const char *name;
    bool (*parse)(char *value); // NULL: without effect
    const char *reason;
} options[] = {
#define OPTION(name, parse, values, otherwise, text) {#name, parse, NULL},
#define WITHOUT_EFFECT(name, reason) {#name, NULL, reason},
#include "hypervisor/options.def"
#undef OPTION
#undef WITHOUT_EFFECT
};

static const struct option *option_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        if (equals(name, options[i].name))
            return &options[i];
    }
    return NULL;
}

// One word, at most VALUE_MAX - 1 characters of it.
static void word_apply(const char *from, size_t length)
{
    char word[VALUE_MAX], no[] = "no", *value = word;
    size_t kept = MIN(length, sizeof(word) - 1);
    bool is_negated = strncmp(from, "no-", 3) == 0;

    memcpy(word, from, kept);
    word[kept] = 0;
    while (*value && *value != '=')
        value++;
    bool has_value = *value;
    *value = 0;
    const struct option *o = option_find(word + (is_negated ? 3 : 0));
    if (!o)
        log_warn("options: \"%.*s\" is unknown", (unsigned)length, from);
    else if (!o->parse && o->reason)
        log_info("options: \"%.*s\" has no effect: %s", (unsigned)length, from, o->reason);
    if (!o || !o->parse)
        return;
    if (kept < length || (is_negated && has_value) ||
        !o->parse(is_negated ? no : value + has_value))
        log_warn("options: \"%.*s\" has an invalid value", (unsigned)length, from);
}

// The rest of the line behind the first word "--", which is cut off; its blanks in front, too.
static const char *cut_dom0_words(char *text)
{
    for (char *c = text; *c; c++) {
        if (strncmp(c, " -- ", 4) != 0)
            continue;
        *c = 0;
        for (c += 4; *c == ' '; c++)
            ;
        return c;
    }
    return "";
}

void options_parse(char *text)
{
    boot_options.dom0_words = cut_dom0_words(text);
    for (const char *word = text, *end; *word; word = end) {
        for (end = word; *end && *end != ' '; end++)
            ;
        if (end > word)
            word_apply(word, (size_t)(end - word));
        end += *end == ' ';
    }
}

static uint64_t amount_pages(const struct memory_amount *amount, uint64_t available)
{
    // Not in one product: it may be as large as the address space.
    uint64_t part = available / 100 * amount->percent + available % 100 * amount->percent / 100,
             pages = (amount->bytes >> PAGE_SHIFT) + part;

    if (!amount->is_minus)
        return pages;
    return pages < available ? available - pages : 0;
}

uint64_t options_dom0_pages(uint64_t available, uint64_t *limit)
{
    const struct memory_amount *max = &boot_options.dom0_mem_max;
    uint64_t pages = amount_pages(&boot_options.dom0_mem, available);

    *limit = max->bytes == UINT64_MAX ? UINT64_MAX : amount_pages(max, available);
    if (!pages)
        pages = available - MIN(available / 16, (128ul << 20) >> PAGE_SHIFT);
    pages = MAX(pages, amount_pages(&boot_options.dom0_mem_min, available));
    return MIN(MIN(pages, *limit), available);
}

unsigned options_dom0_vcpus(unsigned cpus, unsigned max)
{
    unsigned vcpus = MIN(MAX(cpus, boot_options.dom0_vcpus_min), boot_options.dom0_vcpus_max);

    return MAX(MIN(vcpus, max), 1u);
}
