// SPDX-License-Identifier: MIT
/* xl.cfg: syntax, positions of errors, disks, network interfaces. */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/report.h"
#include "tools/xl/xl_config.h"

static char said[2048];
static struct xl_config config;

static void print(struct xl_messages *messages, const char *line)
{
    (void)messages;
    strncat(said, line, sizeof(said) - strlen(said) - 1);
    strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static bool parse(const char *text)
{
    struct xl_messages messages = {print, NULL};
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    memcpy(copy, text, length);
    said[0] = '\0';
    bool good = xl_config_parse(&config, "t.cfg", copy, length, &messages);
    free(copy);
    return good;
}

#define MINIMAL "name='g'\nkernel='k'\n"

static void refused(const char *text, const char *message)
{
    bool good = parse(text);
    CU_ASSERT_FALSE(good);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, message));
    if (good || !strstr(said, message)) {
        printf("%s -> %s", text, said);
    }
}

static void file_whole(void)
{
    CU_ASSERT_TRUE(parse("# a guest\nname = \"web\"; kernel='/guests/web.elf'\n"
                         "memory = 64 # MiB\nvcpus=2\nextra = \"a=\\\"b c\\\"\"\nroot='/dev/xvda'\n"
                         "disk = [ 'phy:vda,xvda,r',\n   # second\n 'format=raw, vdev=xvdb, "
                         "access=rw, target=vol,1', ]\n"
                         "vif = ['mac=00:16:3e:01:02:03,bridge=br0,ip=10.0.0.2', '']\n"
                         "on_crash=\"preserve\"\non_poweroff='destroy'\ntype='pv'\n"
                         "uuid='01234567-89ab-cdef-0123-456789abcdef'"));
    CU_ASSERT_STRING_EQUAL(config.name, "web");
    CU_ASSERT_STRING_EQUAL(config.kernel, "/guests/web.elf");
    CU_ASSERT_STRING_EQUAL(config.cmdline, "root=/dev/xvda a=\"b c\"");
    CU_ASSERT_EQUAL(config.memory_kib, 65536);
    CU_ASSERT_EQUAL(config.maxmem_kib, 65536);
    CU_ASSERT_EQUAL(config.vcpus, 2);
    CU_ASSERT_EQUAL(config.disk_count, 2);
    CU_ASSERT_STRING_EQUAL(config.disks[0].target, "vda");
    CU_ASSERT_EQUAL(config.disks[0].number, 51712);
    CU_ASSERT_TRUE(config.disks[0].readonly);
    CU_ASSERT_STRING_EQUAL(config.disks[1].target, "vol,1");
    CU_ASSERT_EQUAL(config.disks[1].number, 51728);
    CU_ASSERT_FALSE(config.disks[1].readonly);
    CU_ASSERT_EQUAL(config.vif_count, 2);
    CU_ASSERT_EQUAL(config.vifs[0].mac[5], 3);
    CU_ASSERT_STRING_EQUAL(config.vifs[0].bridge, "br0");
    CU_ASSERT_FALSE(config.vifs[1].has_mac);
    CU_ASSERT_EQUAL(config.on_crash, XL_PRESERVE);
    CU_ASSERT_EQUAL(config.on_reboot, XL_RESTART);
    CU_ASSERT_EQUAL(config.uuid[15], 0xef);
    CU_ASSERT_STRING_EQUAL(said, "");
}

static void defaults(void)
{
    CU_ASSERT_TRUE(parse(MINIMAL));
    CU_ASSERT_EQUAL(config.vcpus, 1);
    CU_ASSERT_EQUAL(config.on_poweroff, XL_DESTROY);
    CU_ASSERT_EQUAL(config.on_crash, XL_DESTROY);
    CU_ASSERT_TRUE(parse(MINIMAL "colour='red'\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "t.cfg:3:1: warning: unknown key \"colour\""));
}

static void errors_syntax(void)
{
    refused("name 'x'", "t.cfg:1:6: error: expected =");
    refused("name = x", "t.cfg:1:8: error: expected a number, a string or a list, found 'x'");
    refused(MINIMAL "memory = 'x'", "t.cfg:3:10: error: memory takes a number");
    refused(MINIMAL "memory = 12x", "t.cfg:3:10: error: '12x' is no number");
    refused(MINIMAL "extra = 'abc\n", "t.cfg:3:9: error: string has no closing '");
    refused(MINIMAL "disk = [ 'a,raw,xvda,w'\n", "t.cfg:4:1: error: expected , or ]");
    refused(MINIMAL "disk = [ 5 ]", "t.cfg:3:10: error: expected a string or ]");
    refused(MINIMAL "disk = [", "t.cfg:3:8: error: list has no closing ]");
    refused(MINIMAL "vcpus = 1 2", "t.cfg:3:11: error: expected the end of the line");
    refused(MINIMAL "%", "t.cfg:3:1: error: expected a key, found '%'");
    refused(MINIMAL "x='\\", "no closing");
}

static void errors_values(void)
{
    refused("kernel='k'", "t.cfg: error: no name=");
    refused("name='g'", "no kernel=");
    refused("name='12'", "needs a letter");
    refused("name='a/b'", "cannot hold '/'");
    refused(MINIMAL "memory = 0", "out of range");
    refused(MINIMAL "vcpus = 99", "out of range");
    refused(MINIMAL "memory=8\nmaxmem=4", "maxmem");
    refused(MINIMAL "on_crash='explode'", "t.cfg:3:10");
    refused(MINIMAL "type='hvm'", "only \"pv\"");
    refused(MINIMAL "uuid='123'", "UUID");
    refused(MINIMAL "disk=['x,raw,xvda,w','y,raw,xvda,w']", "t.cfg:3:22: error: two disks");
    refused(MINIMAL "disk=['x,qcow2,xvda,w']", "format raw");
    refused(MINIMAL "vif=['mac=1']", "impossible value");
}

static void disks(void)
{
    struct xl_disk disk;
    char why[120];
    CU_ASSERT_TRUE(xl_disk_parse(&disk, "/dev/vda,raw,xvda,w", why, sizeof(why)));
    CU_ASSERT_STRING_EQUAL(disk.target, "vda");
    CU_ASSERT_TRUE(xl_disk_parse(&disk, "vda,,hda", why, sizeof(why)));
    CU_ASSERT_EQUAL(disk.number, 768);
    CU_ASSERT_TRUE(xl_disk_parse(&disk, "phy:vda,hdc:cdrom,r", why, sizeof(why)));
    CU_ASSERT_EQUAL(disk.number, 5632);
    CU_ASSERT_TRUE(disk.cdrom && disk.readonly);
    CU_ASSERT_FALSE(xl_disk_parse(&disk, "vda,raw,xvda,x", why, sizeof(why)));
    CU_ASSERT_FALSE(xl_disk_parse(&disk, "vda,raw,xvda,w,more", why, sizeof(why)));
    CU_ASSERT_FALSE(xl_disk_parse(&disk, "vdev=xvda", why, sizeof(why)));
    CU_ASSERT_FALSE(xl_disk_parse(&disk, "vda", why, sizeof(why)));
    CU_ASSERT_FALSE(xl_disk_parse(&disk, "colour=red,vda,raw,xvda", why, sizeof(why)));
}

static void vdevs(void)
{
    static const struct {
        const char *name;
        uint32_t number;
    } good[] = {
        {"xvda",  51712                 },
        {"xvda1", 51713                 },
        {"xvdb",  51728                 },
        {"sda",   2048                  },
        {"sdb15", 2079                  },
        {"hdb",   832                   },
        {"d0",    51712                 },
        {"d1p2",  51730                 },
        {"xvdq",  (1U << 28) | (16 << 8)},
        {"xvdaa", (1U << 28) | (26 << 8)}
    };
    static const char *const bad[] = {"",    "xvd", "xvda0",   "xvda-1", "sdq",
                                      "hde", "vda", "xvda999", "d",      "xvdaaa"};
    uint32_t number;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_TRUE(xl_vdev_number(good[i].name, &number));
        CU_ASSERT_EQUAL(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(xl_vdev_number(bad[i], &number));
    }
}

static void random_text(void)
{
    static const char letters[] = "name=kernl'\"[],;#\n \\x0157diskvf:\t\x80";
    char text[200];
    srand(5);
    for (int i = 0; i < 30000; i++) {
        size_t length = (size_t)rand() % sizeof(text);
        size_t head = rand() % 2 ? strlen(MINIMAL "disk=['") : 0;
        memcpy(text, MINIMAL "disk=['", head);
        for (size_t j = head; j < length; j++) {
            text[j] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        }
        text[length > 0 ? length - 1 : 0] = '\0';
        parse(text);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(file_whole),    REPORT_CASE(defaults), REPORT_CASE(errors_syntax),
    REPORT_CASE(errors_values), REPORT_CASE(disks),    REPORT_CASE(vdevs),
    REPORT_CASE(random_text),
};

int main(void)
{
    return report_run("xl_config", cases, sizeof(cases) / sizeof(cases[0]));
}
