// SPDX-License-Identifier: MIT
/*
 * xl.cfg here and in Debian's libxlutil: the same files, disk= entries and rates are taken, and mean the same.
 * Input: its first byte says which of them the rest is. What differs on purpose is passed over here, each
 * with its row in docs/xl-cfg.md.
 */
#include "tests/libfuzzer/harness.h"

#include <errno.h>
#include <libxl.h>
#include <libxlutil.h>
#include <string.h>

#include "tools/xl/xl_disk_spec.h"

enum subject { FILES, DISKS, RATES, SUBJECTS };

/* libxlutil forgets some of what it made before an error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libxlutil.so\n";
}

static void print(struct xl_messages *messages, const char *line)
{
    (void)messages, (void)line;
}

static FILE *nowhere(void)
{
    static FILE *file;

    if (!file)
        file = fopen("/dev/null", "w");
    return file;
}

static bool same_text(const char *ours, const char *theirs)
{
    return ours && theirs ? strcmp(ours, theirs) == 0 : !ours == !theirs;
}

/* --- files ------------------------------------------------------------------------------------- */

/* Bytes that are judged differently, wherever they stand. */
static bool differs_on_purpose(const char *text, size_t size)
{
    int depth = 0;

    if (memchr(text, 0, size) || memchr(text, '\r', size))
        return true;
    for (size_t i = 0; i < size; i++) {
        depth += text[i] == '[';
        if (text[i] == '\\' && i + 1 < size &&
            (text[i + 1] == 'x' || (text[i + 1] >= '0' && text[i + 1] <= '7')))
            return true;
    }
    const char *line = size ? text + size : text; // a comment may end the file
    while (line > text && line[-1] != '\n')
        line--;
    return depth > 1000 || memchr(line, '#', (size_t)(text + size - line));
}

static void compare_value(const XLU_Config *cfg, const struct xl_value *ours,
                          XLU_ConfigValue *theirs)
{
    XLU_ConfigList *list;
    char *text;
    int index = 0;

    HARNESS_CHECK(theirs && (ours->text != NULL) == (xlu_cfg_value_type(theirs) == XLU_STRING));
    if (ours->text) {
        HARNESS_CHECK(xlu_cfg_value_get_string(cfg, theirs, &text, 1) == 0);
        HARNESS_CHECK(strcmp(ours->text, text) == 0);
        return;
    }
    HARNESS_CHECK(xlu_cfg_value_get_list(cfg, theirs, &list, 1) == 0);
    for (const struct xl_value *entry = ours->first; entry; entry = entry->next)
        compare_value(cfg, entry, xlu_cfg_get_listitem2(list, index++));
    HARNESS_CHECK(xlu_cfg_get_listitem2(list, index) == NULL);
}

static void compare_setting(const XLU_Config *cfg, const struct xl_setting *setting)
{
    XLU_ConfigList *list;
    const char *text;
    int count, index = 0;

    if (setting->value->text) {
        HARNESS_CHECK(xlu_cfg_get_string(cfg, setting->key, &text, 1) == 0);
        HARNESS_CHECK(strcmp(setting->value->text, text) == 0);
        return;
    }
    HARNESS_CHECK(xlu_cfg_get_list(cfg, setting->key, &list, &count, 1) == 0);
    for (const struct xl_value *entry = setting->value->first; entry; entry = entry->next)
        compare_value(cfg, entry, xlu_cfg_get_listitem2(list, index++));
    HARNESS_CHECK(index == count);
}

/* libxlutil overlooks a wrong character that is the last of a file: then with a newline behind it. */
static bool taken_there(XLU_Config *cfg, const char *text, size_t size, bool ours)
{
    bool theirs = xlu_cfg_readdata(cfg, text, (int)size) == 0;

    if (theirs && !ours) {
        XLU_Config *again = xlu_cfg_init(nowhere(), "f.cfg");
        char *longer = malloc(size + 1);
        HARNESS_CHECK(again && longer);
        memcpy(longer, text, size);
        longer[size] = '\n';
        theirs = xlu_cfg_readdata(again, longer, (int)size + 1) == 0;
        free(longer);
        xlu_cfg_destroy(again);
    }
    return theirs;
}

static void compare_files(const char *text, size_t size)
{
    struct xl_messages messages = {print, NULL};
    struct xl_memory *memory = xl_memory_create();
    XLU_Config *cfg = xlu_cfg_init(nowhere(), "f.cfg");
    struct xl_setting *setting;

    HARNESS_CHECK(memory && cfg);
    bool ours = xl_syntax_read(memory, &setting, "f.cfg", text, size, &messages);
    if (!differs_on_purpose(text, size)) {
        bool theirs = taken_there(cfg, text, size, ours);
        if (ours != theirs)
            fprintf(stderr, "%s here, %s there: %.*s\n", ours ? "taken" : "refused",
                    theirs ? "taken" : "refused", (int)size, text);
        HARNESS_CHECK(ours == theirs);
        for (; ours && setting; setting = setting->next)
            compare_setting(cfg, setting);
    }
    xlu_cfg_destroy(cfg);
    xl_memory_put(memory);
}

/* --- disks ------------------------------------------------------------------------------------- */

static enum xl_choice choice(libxl_defbool value)
{
    return libxl_defbool_is_default(value) ? XL_UNSAID : libxl_defbool_val(value) ? XL_YES : XL_NO;
}

static bool same_disk(const struct xl_disk_spec *ours, const libxl_device_disk *theirs)
{
    static const libxl_disk_format formats[] = {[XL_FORMAT_UNKNOWN] = LIBXL_DISK_FORMAT_UNKNOWN,
                                                [XL_QCOW] = LIBXL_DISK_FORMAT_QCOW,
                                                [XL_QCOW2] = LIBXL_DISK_FORMAT_QCOW2,
                                                [XL_VHD] = LIBXL_DISK_FORMAT_VHD,
                                                [XL_RAW] = LIBXL_DISK_FORMAT_RAW,
                                                [XL_EMPTY] = LIBXL_DISK_FORMAT_EMPTY,
                                                [XL_QED] = LIBXL_DISK_FORMAT_QED};
    static const libxl_disk_backend backends[] = {[XL_BACKEND_UNKNOWN] = LIBXL_DISK_BACKEND_UNKNOWN,
                                                  [XL_PHY] = LIBXL_DISK_BACKEND_PHY,
                                                  [XL_TAP] = LIBXL_DISK_BACKEND_TAP,
                                                  [XL_QDISK] = LIBXL_DISK_BACKEND_QDISK,
                                                  [XL_STANDALONE] = LIBXL_DISK_BACKEND_STANDALONE};

    return same_text(ours->target, theirs->pdev_path) && same_text(ours->vdev, theirs->vdev) &&
           same_text(ours->script, theirs->script) &&
           same_text(ours->backend, theirs->backend_domname) &&
           same_text(ours->colo_host, theirs->colo_host) &&
           same_text(ours->colo_export, theirs->colo_export) &&
           same_text(ours->active_disk, theirs->active_disk) &&
           same_text(ours->hidden_disk, theirs->hidden_disk) &&
           ours->colo_port == theirs->colo_port && formats[ours->format] == theirs->format &&
           backends[ours->backendtype] == theirs->backend && ours->readonly == !theirs->readwrite &&
           ours->cdrom == !!theirs->is_cdrom && ours->direct_io_safe == theirs->direct_io_safe &&
           choice(theirs->discard_enable) == ours->discard &&
           choice(theirs->colo_enable) == ours->colo &&
           ours->virtio == (theirs->specification == LIBXL_DISK_SPECIFICATION_VIRTIO);
}

static void compare_disks(const char *text)
{
    struct xl_memory *memory = xl_memory_create();
    XLU_Config *cfg = xlu_cfg_init(nowhere(), "f.cfg");
    libxl_device_disk disk;
    struct xl_disk_spec spec;
    struct xl_why why = {""};

    HARNESS_CHECK(memory && cfg);
    libxl_device_disk_init(&disk);
    // Xen 4.17 forgot to generate its scanner anew for "trusted" and takes it for a target.
    // Nor does it see an equals sign that is the last of an entry.
    size_t length = strlen(text);
    if (!strchr(text, '\n') && !strstr(text, "trusted") && !(length && text[length - 1] == '=')) {
        bool ours = xl_disk_spec_read(memory, &spec, text, &why);
        bool theirs = xlu_disk_parse(cfg, 1, &text, &disk) == 0;
        if (ours != theirs || (ours && !same_disk(&spec, &disk)))
            fprintf(stderr, "%s here (%s), %s there: %s\n", ours ? "taken" : "refused", why.text,
                    theirs ? "taken" : "refused", text);
        HARNESS_CHECK(ours == theirs && (!ours || same_disk(&spec, &disk)));
    }
    libxl_device_disk_dispose(&disk);
    xlu_cfg_destroy(cfg);
    xl_memory_put(memory);
}

/* --- rates ------------------------------------------------------------------------------------- */

static void compare_rates(const char *text)
{
    XLU_Config *cfg = xlu_cfg_init(nowhere(), "f.cfg");
    libxl_device_nic nic;
    struct xl_why why;
    uint64_t bytes = 0;
    uint32_t usecs = 0;

    HARNESS_CHECK(cfg);
    libxl_device_nic_init(&nic);
    errno = 0; // libxlutil takes an old ERANGE for its own
    bool ours = xl_rate_parse(text, &bytes, &usecs, &why);
    bool theirs = xlu_vif_parse_rate(cfg, text, &nic) == 0 && nic.rate_bytes_per_interval > 0;
    /* Octal numbers that end at an 8 or 9 go on there, in libxlutil. */
    bool octal = text[0] == '0' || strstr(text, "@0");
    if (!octal && (ours != theirs || (ours && nic.rate_bytes_per_interval != bytes)))
        fprintf(stderr, "%s here, %s there: %s\n", ours ? "taken" : "refused",
                theirs ? "taken" : "refused", text);
    HARNESS_CHECK(octal || (ours == theirs && (!ours || (nic.rate_bytes_per_interval == bytes &&
                                                         nic.rate_interval_usecs == usecs))));
    libxl_device_nic_dispose(&nic);
    xlu_cfg_destroy(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;

    if (size > 0 && data[0] % SUBJECTS == FILES)
        compare_files((const char *)data + 1, size - 1);
    else if (size > 0 && data[0] % SUBJECTS == DISKS)
        compare_disks(text);
    else if (size > 0)
        compare_rates(text);
    free(text);
    return 0;
}

/* --- seeds: configurations, entries and rates made of their words --------------------------------- */

#define SEEDS 600U

static uint32_t seed_state;

static uint32_t any(uint32_t below)
{
    seed_state = seed_state * 1664525 + 1013904223;
    return (seed_state >> 8) % below;
}

struct text {
    char bytes[HARNESS_SEED_MAX];
    size_t length;
};

static void add(struct text *t, const char *words)
{
    size_t length = strlen(words);

    if (t->length + length < sizeof(t->bytes)) {
        memcpy(t->bytes + t->length, words, length);
        t->length += length;
    }
}

#define ADD_ANY(t, ...)                                                                            \
    do {                                                                                           \
        static const char *const words[] = {__VA_ARGS__};                                          \
        add(t, words[any(sizeof(words) / sizeof(words[0]))]);                                      \
    } while (0)

static void add_value(struct text *t, unsigned int depth)
{
    if (any(3) == 0 && depth < 4) {
        ADD_ANY(t, "[", "[ ", "[\n", "[ # c\n");
        for (unsigned int i = any(5); i > 0; i--) {
            add_value(t, depth + 1);
            ADD_ANY(t, ",", ", ", "\n,", ",\n", "");
        }
        ADD_ANY(t, "]", " ]", "\n]");
        return;
    }
    ADD_ANY(t, "1", "0x1f", "010", "12ab", "9fx", "''", "\"\"", "'a b'", "\"c'd\"", "'#'", "';'",
            "'\\n\\t\\\\'", "\"\\\"\"", "'\\a\\b\\f\\v\\r'", "'\\q'", "'\xc3\xbc'", "'[,]'",
            "'= +='", "'phy:a,xvda'", "-1", "a");
}

static void file_make(struct text *t)
{
    for (unsigned int i = 1 + any(8); i > 0; i--) {
        ADD_ANY(t, "", "", "", " ", "\t", "# c\n", "\n", ";", " ; \n");
        ADD_ANY(t, "name", "a", "b", "a.b_9", "zz", "disk", "Name", "9a", "_a");
        ADD_ANY(t, "=", " = ", "\t=", "+=", " += ", "+ =");
        add_value(t, 0);
        ADD_ANY(t, "\n", "\n", "\n", ";", " ;", " # c\n", "\n\n", " ", "");
    }
}

static void disk_make(struct text *t)
{
    for (unsigned int i = any(3); i > 0; i--)
        ADD_ANY(t, "phy:", "file:", "tap:", "tap2:", "aio:", "raw:", "qcow:", "qcow2:", "vhd:",
                "drbd:", "iscsi:", "nbd:", "enbd:", "ioemu:", "tapdisk:", "foo:", "9p:", " ",
                "xvda:");
    for (unsigned int i = 1 + any(7); i > 0; i--) {
        ADD_ANY(t, "/dev/vda", "vda", "xvda", "hdc:cdrom", "sda:disk", "raw", "", "w", "r", "rw",
                "qcow2", "cdrom", "discard", "no-discard", "direct-io-safe", "colo", "no-colo",
                "format=raw", "format=", "format=vhd", "vdev=xvdb", "vdev=", "access=ro",
                "access=w", "access=x", "devtype=disk", "devtype=cdrom", "devtype=tape",
                "backend=0", "backend=dom", "backendtype=phy", "backendtype=tap",
                "backendtype=qdisk", "backendtype=x", "script=block", "script=x y",
                "specification=xen", "specification=virtio", "target=/a,b=c",
                "target=", "colo-host=h", "colo-port=1", "colo-port=0", "colo-export=e",
                "active-disk=a", "hidden-disk=h", "colour=red", "x=", "a b", "cdromx", "xvda:x",
                "foo:/bar", "empty");
        ADD_ANY(t, ",", ",", ",", ", ", " ,", ",,", "", "\t,");
    }
}

static void rate_make(struct text *t)
{
    ADD_ANY(t, "10", "1", "4294967295", "4294967296", "0", "999999999999999999999", "", "-1", " 1",
            "0x1");
    ADD_ANY(t, "MB/s", "Mb/s", "KB/s", "Kb/s", "GB/s", "Gb/s", "B/s", "b/s", "M", "MB", "B/h",
            "mB/s", "TB/s");
    ADD_ANY(t, "", "", "@", "@20ms", "@1s", "@1", "@50000us", "@100u", "@10m", "@4294s", "@4295s",
            "@0s", "@1h", "@ms", "@1ms@1ms", "@99999999999999999999us");
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    static void (*const make[SUBJECTS])(struct text * t) = {file_make, disk_make, rate_make};
    struct text t = {.length = 0};

    if (number >= SEEDS)
        return 0;
    seed_state = number * 2654435761U + 1;
    any(2);
    make[number % SUBJECTS](&t);
    seed[0] = (uint8_t)(number % SUBJECTS);
    t.length = t.length < HARNESS_SEED_MAX ? t.length : HARNESS_SEED_MAX - 1;
    memcpy(seed + 1, t.bytes, t.length);
    return t.length + 1;
}
