// SPDX-License-Identifier: MIT
// The hypervisor's command line, as people write it; the right answers are Xen 4.17's.
#include "hypervisor/options.h"
#include "hypervisor/string.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES(mib) ((mib)*256ull)
#define AVAILABLE PAGES(1000)

static const struct boot_options defaults = {
    .has_console = true,
    .baud = 115200,
    .log_level = LOG_INFO,
    .dom0_mem_max = {.bytes = UINT64_MAX},
    .dom0_vcpus_min = 1,
    .dom0_vcpus_max = UINT32_MAX,
    .dom0_words = "",
};
static char text[4096], log_text[8192];

void printk(enum log_level level, const char *format, ...)
{
    size_t used = strlen(log_text);
    va_list args;

    va_start(args, format);
    vsnprintf(log_text + used, sizeof(log_text) - used, format, args);
    va_end(args);
}

static void parse(const char *line)
{
    boot_options = defaults;
    log_text[0] = 0;
    snprintf(text, sizeof(text), "%s", line);
    options_parse(text);
}

static bool said(const char *words)
{
    return strstr(log_text, words) != NULL;
}

// Is refused by name, and changes nothing.
static void refused(const char *line)
{
    parse(line);
    if (!said("has an invalid value") || !said(line)) {
        printf("not refused: %s\n", line);
        CU_FAIL("accepted");
    }
}

static uint64_t dom0_mib(const char *line)
{
    uint64_t limit;

    parse(line);
    CU_ASSERT_STRING_EQUAL(log_text, "");
    return options_dom0_pages(AVAILABLE, &limit) / 256;
}

static void dom0_mem(void)
{
    uint64_t limit;

    CU_ASSERT_EQUAL(dom0_mib(""), 937); // a sixteenth is left
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=256M"), 256);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=262144"), 256); // kilobytes
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=0x40000"), 256);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=268435456b"), 256);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=max:256M"), 256);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=min:128M dom0_mem=max:256M"), 256);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=512M,max:1G"), 512);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=min:128M,64M"), 128);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=min:512M,max:256M"), 256); // max overrides
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=-256M"), 744);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=50%"), 500);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=-25%"), 750);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=100M+10%"), 200);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=-100M+10%"), 800);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=8G"), 1000); // as much as there is
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=0"), 937);   // as if it were not given
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=-8G"), 937);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=max:0"), 0);
    CU_ASSERT_EQUAL(dom0_mib("dom0_mem=128M dom0_mem=64M"), 64);
    parse("dom0_mem=64M,max:128M");
    options_dom0_pages(AVAILABLE, &limit);
    CU_ASSERT_EQUAL(limit, PAGES(128));
    parse("dom0_mem=64M");
    options_dom0_pages(AVAILABLE, &limit);
    CU_ASSERT_EQUAL(limit, UINT64_MAX);
}

static void dom0_mem_refused(void)
{
    static const char *const lines[] = {
        "dom0_mem",          "dom0_mem=",       "dom0_mem=M",
        "dom0_mem=64X",      "dom0_mem=64MM",   "dom0_mem=max:",
        "dom0_mem=100%",     "dom0_mem=1%+1G",  "dom0_mem=1G+1G",
        "dom0_mem=1G+1%+1%", "dom0_mem=--1G",   "dom0_mem=64M,",
        "dom0_mem=mid:64M",  "dom0_mem=64M-1%", "dom0_mem=99999999999T",
        "no-dom0_mem",       "no-dom0_mem=64M", "dom0_mem=0x",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        refused(lines[i]);
}

static unsigned vcpus(const char *line, unsigned cpus)
{
    parse(line);
    CU_ASSERT_STRING_EQUAL(log_text, "");
    return options_dom0_vcpus(cpus, 32);
}

static void dom0_max_vcpus(void)
{
    CU_ASSERT_EQUAL(vcpus("", 4), 4);
    CU_ASSERT_EQUAL(vcpus("", 64), 32);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=2", 4), 2);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=8", 4), 8);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=1-4", 4), 4);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=1-2", 4), 2);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=2-", 4), 4);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=6-", 4), 6);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=-3", 4), 3);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=0", 4), 1);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=0x10", 4), 16);
    CU_ASSERT_EQUAL(vcpus("dom0_max_vcpus=99999999999999999999", 4), 32);
    refused("dom0_max_vcpus=-");
    refused("dom0_max_vcpus");
    refused("dom0_max_vcpus=two");
    refused("dom0_max_vcpus=1-2-3");
    refused("dom0_max_vcpus=1,2");
}

static void booleans(void)
{
    static const char *const on[] = {"noreboot",           "noreboot=1",    "noreboot=on",
                                     "noreboot=yes",       "noreboot=true", "noreboot=enable",
                                     "noreboot=0 noreboot"};
    static const char *const off[] = {"",
                                      "noreboot=0",
                                      "noreboot=off",
                                      "noreboot=no",
                                      "noreboot=false",
                                      "noreboot=disable",
                                      "no-noreboot",
                                      "noreboot noreboot=0"};

    for (unsigned i = 0; i < ARRAY_SIZE(on); i++) {
        parse(on[i]);
        CU_ASSERT_TRUE(boot_options.noreboot);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(off); i++) {
        parse(off[i]);
        CU_ASSERT_FALSE(boot_options.noreboot);
        CU_ASSERT_STRING_EQUAL(log_text, "");
    }
    refused("noreboot=maybe");
    refused("noreboot=-");
    refused("noreboot=2");
}

static void console(void)
{
    parse("com1=9600,8n1 console=vga,com1 loglvl=warning/all");
    CU_ASSERT_EQUAL(boot_options.baud, 9600);
    CU_ASSERT_TRUE(boot_options.has_console);
    CU_ASSERT_EQUAL(boot_options.log_level, LOG_WARN);
    parse("com1=auto console=none loglvl=all");
    CU_ASSERT_EQUAL(boot_options.baud, 0);
    CU_ASSERT_FALSE(boot_options.has_console);
    CU_ASSERT_EQUAL(boot_options.log_level, LOG_DEBUG);
    parse("com1=115200,8n1,0x3f8,4");
    CU_ASSERT_STRING_EQUAL(log_text, "");
    refused("com1=");
    refused("com1=0");
    refused("com1=fast");
    refused("com1=115200,7e1");
    refused("com1=115200,8n1,0x2f8");
    refused("com1=999999999");
    refused("console=com9");
    refused("loglvl=loud");
    refused("loglvl=all/loud");
}

static void ucode(void)
{
    parse("ucode=2");
    CU_ASSERT_EQUAL(boot_options.ucode_module, 2);
    parse("ucode=-1,nmi=no");
    CU_ASSERT_EQUAL(boot_options.ucode_module, -1);
    parse("ucode=scan ucode=no-nmi,digest-check=off");
    CU_ASSERT_EQUAL(boot_options.ucode_module, 0);
    CU_ASSERT_STRING_EQUAL(log_text, "");
    refused("ucode=latest");
    refused("ucode=scan=maybe");
    refused("ucode=scanner");
    refused("ucode=1x");
}

static void unknown_words(void)
{
    parse("placeholder  dom0mem=64M con=x -v iommu=off =5 no-such");
    CU_ASSERT_TRUE(said("\"dom0mem=64M\" is unknown"));
    CU_ASSERT_TRUE(said("\"con=x\" is unknown"));
    CU_ASSERT_TRUE(said("\"-v\" is unknown"));
    CU_ASSERT_TRUE(said("\"=5\" is unknown"));
    CU_ASSERT_TRUE(said("\"no-such\" is unknown"));
    CU_ASSERT_TRUE(said("\"iommu=off\" has no effect: "));
    CU_ASSERT_FALSE(said("placeholder"));
}

static void dom0_words(void)
{
    parse("noreboot --   root=/dev/vda quiet");
    CU_ASSERT_STRING_EQUAL(boot_options.dom0_words, "root=/dev/vda quiet");
    CU_ASSERT_STRING_EQUAL(text, "noreboot");
    CU_ASSERT_TRUE(boot_options.noreboot);
    CU_ASSERT_STRING_EQUAL(log_text, "");
    parse("a-- --b"); // not words of their own
    CU_ASSERT_STRING_EQUAL(boot_options.dom0_words, "");
    parse("noreboot -- a -- b");
    CU_ASSERT_STRING_EQUAL(boot_options.dom0_words, "a -- b");
    parse("noreboot -- ");
    CU_ASSERT_STRING_EQUAL(boot_options.dom0_words, "");
}

static void long_words(void)
{
    char line[1024] = "dom0_mem=";

    memset(line + 9, '1', 900);
    refused(line);
    memset(line, 'x', 900);
    parse(line);
    CU_ASSERT_TRUE(said("is unknown"));
}

// Random words out of the pieces of real ones: nothing but the sanitizers to say.
static void random_lines(void)
{
    static const char *const pieces[] = {
        "dom0_mem=", "min:",   "max:",    "1G",   "%",
        "+",         "-",      ",",       " ",    "noreboot",
        "no-",       "=",      "com1=",   "8n1",  "auto",
        "0x",        "ucode=", "scan",    " -- ", "64M",
        "99",        "/",      "loglvl=", "all",  "dom0_max_vcpus=",
        "--"};

    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        char line[256] = "";
        uint64_t limit;
        for (unsigned i = (unsigned)rand() % 12; i > 0; i--)
            strcat(line, pieces[(unsigned)rand() % ARRAY_SIZE(pieces)]);
        parse(line);
        CU_ASSERT_TRUE(options_dom0_pages(AVAILABLE, &limit) <= AVAILABLE);
        unsigned n = options_dom0_vcpus(4, 32);
        CU_ASSERT_TRUE(n >= 1 && n <= 32);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(dom0_mem),      REPORT_CASE(dom0_mem_refused), REPORT_CASE(dom0_max_vcpus),
    REPORT_CASE(booleans),      REPORT_CASE(console),          REPORT_CASE(ucode),
    REPORT_CASE(unknown_words), REPORT_CASE(dom0_words),       REPORT_CASE(long_words),
    REPORT_CASE(random_lines),
};

int main(void)
{
    return report_run("options", cases, ARRAY_SIZE(cases));
}
