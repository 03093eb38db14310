// SPDX-License-Identifier: MIT
/* xl.cfg: what files, keys, disks, network interfaces and processor sets say; real files (tests/xl-cfg). */
#include <CUnit/CUnit.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/report.h"
#include "tools/xl/xl_config.h"
#include "tools/xl/xl_keys.h"

#define FILES "tests/xl-cfg"

static char said[4096];
static struct xl_config config;
static struct xl_why why;

static void print(struct xl_messages *messages, const char *line)
{
    (void)messages;
    strncat(said, line, sizeof(said) - strlen(said) - 1);
    strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

static bool parse_bytes(const char *text, size_t length)
{
    struct xl_messages messages = {print, NULL};
    char *copy = malloc(length + 1); /* the sanitizer sees a read behind its end */

    memcpy(copy, text, length);
    said[0] = '\0';
    xl_config_free(&config);
    bool good = xl_config_parse(&config, "t.cfg", copy, length, &messages);
    free(copy);
    return good;
}

static bool parse(const char *text)
{
    return parse_bytes(text, strlen(text));
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

static void accepted(const char *text)
{
    bool good = parse(text);
    CU_ASSERT_TRUE(good);
    if (!good) {
        printf("%s -> %s", text, said);
    }
}

/* A value as += and files have it, with what it must be. */
static void cmdline_is(const char *text, const char *expected)
{
    accepted(text);
    CU_ASSERT_STRING_EQUAL(config.cmdline, expected);
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
    CU_ASSERT_EQUAL(config.memory_kib, 32768);
    CU_ASSERT_EQUAL(config.on_poweroff, XL_DESTROY);
    CU_ASSERT_EQUAL(config.on_crash, XL_DESTROY);
    CU_ASSERT_EQUAL(config.on_watchdog, XL_DESTROY);
    CU_ASSERT_EQUAL(config.limits.weight, -1);
    CU_ASSERT_EQUAL(config.limits.grant_frames, -1);
    CU_ASSERT_TRUE(parse(MINIMAL "colour='red'\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "t.cfg:3:1: warning: unknown key \"colour\""));
}

static void grammar(void)
{
    accepted("name='g';kernel='k';;\n;\n\nvcpus='2' # \"\nmemory=0x10");
    CU_ASSERT_EQUAL(config.memory_kib, 16 * 1024);
    CU_ASSERT_EQUAL(config.vcpus, 2);
    accepted("\r\nname='g'\r\nkernel='k' \r\n#last");
    accepted(MINIMAL "disk=[\n#\n]\nvif=[\n'' #\n,\n'',\n]");
    CU_ASSERT_EQUAL(config.vif_count, 2);
    accepted(MINIMAL "a.b_9=[[],[[1,],'x'],]");
    accepted(MINIMAL "disk=''\nvif=''");
    cmdline_is(MINIMAL "extra='a\\tb\\\\\\'\\\"\\x41\\102'", "a\tb\\'\"AB");
    cmdline_is(MINIMAL "extra='1'\nextra+=2\nextra += \" 3\"", "12 3");
    cmdline_is(MINIMAL "extra='1'\nextra='2'", "2");
    cmdline_is(MINIMAL "root='/dev/xvda ro'", "root=/dev/xvda ro");
    cmdline_is(MINIMAL "cmdline=''\nextra='2'", "");
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "in favour of cmdline="));
    refused(MINIMAL "extra='1'\nextra+=['2']",
            "t.cfg:4:8: error: += cannot add a list to a string");
    refused(MINIMAL "memory=4\nmemory+=4", "memory is a number");
}

/* Nothing has a length of its own: 100,000 of each, and lists as deep. */
static void lengths(void)
{
    enum { MANY = 100000 };
    static char text[12 * MANY];

    strcpy(text, MINIMAL);
    memset(text + strlen(text), 'k', MANY);
    strcat(text, "='");
    memset(text + strlen(text), 'v', MANY);
    strcat(text, "'\n");
    accepted(text);
    memset(text, 0, sizeof(text));
    strcpy(text, MINIMAL "kernel='");
    memset(text + strlen(text), 'p', MANY);
    strcat(text, "'\nx=");
    memset(text + strlen(text), '[', MANY);
    memset(text + strlen(text), ']', MANY);
    accepted(text);
    CU_ASSERT_EQUAL(strlen(config.kernel), MANY);
    memset(text, 0, sizeof(text));
    char *at = text + sprintf(text, "%svif=[", MINIMAL);
    for (int i = 0; i < 1000; i++) {
        at += sprintf(at, "'ip=1',");
    }
    strcpy(at, "]");
    accepted(text);
    CU_ASSERT_EQUAL(config.vif_count, 1000);
}

static void errors_syntax(void)
{
    refused("name 'x'", "t.cfg:1:6: error: expected =");
    refused("name = x", "t.cfg:1:8: error: expected a number, a string or a list, found 'x'");
    refused("Name = 'x'", "t.cfg:1:1: error: expected a key, found 'N'");
    refused("name =\n'x'",
            "t.cfg:1:7: error: expected a number, a string or a list, found end of line");
    refused(MINIMAL "memory = 'x'", "t.cfg:3:10: error: memory takes a number");
    refused(MINIMAL "memory = 12y", "t.cfg:3:12: error: expected the end of the line, found 'y'");
    refused(MINIMAL "memory = 12a", "t.cfg:3:10: error: memory takes a number, not \"12a\"");
    refused(MINIMAL "extra = 'abc\n", "t.cfg:3:9: error: string has no closing '");
    refused(MINIMAL "extra = 'a\\qc'", "t.cfg:3:11: error: nothing is known that begins with");
    refused(MINIMAL "extra = 'a\\0c'", "cannot hold a byte 0");
    refused(MINIMAL "extra = 'a\\", "t.cfg:3:9: error: string has no closing '");
    refused(MINIMAL "disk = [ 'a,raw,xvda,w'\n", "t.cfg:3:8: error: list has no closing ]");
    refused(MINIMAL "disk = [ 'a,raw,xvda,w'\nvcpus=1", "t.cfg:4:1: error: expected , or ]");
    refused(MINIMAL "disk = [ , ]", "t.cfg:3:10: error: expected a number, a string or a list");
    refused(MINIMAL "disk = [ 1; ]", "t.cfg:3:11: error: expected , or ] in the list, found ';'");
    refused(MINIMAL "disk = [ [1] ]", "t.cfg:3:10: error: disk takes a list of strings");
    refused(MINIMAL "disk = [ '", "t.cfg:3:10: error: string has no closing '");
    refused(MINIMAL "vcpus = 1 2", "t.cfg:3:11: error: expected the end of the line");
    refused(MINIMAL "x = 1 ] 2", "t.cfg:3:7: error: expected the end of the line");
    refused(MINIMAL "%", "t.cfg:3:1: error: expected a key, found '%'");
    CU_ASSERT_FALSE(parse_bytes("name='a\0b'", 11));
}

static void errors_values(void)
{
    refused("kernel='k'", "t.cfg: error: no name=");
    refused("name='g'", "no kernel=");
    refused("name=''", "the name is empty");
    refused("name='a/b'", "t.cfg:1:6: error: a name cannot hold the byte 0x2f");
    refused("name='a\\nb'", "byte 0x0a");
    accepted("name=12\nkernel='k'");
    CU_ASSERT_STRING_EQUAL(config.name, "12");
    refused(MINIMAL "memory = 0", "out of range");
    refused(MINIMAL "memory = -1", "found '-'");
    refused(MINIMAL "memory = '-1'", "out of range");
    refused(MINIMAL "memory = 99999999999999999999", "takes a number");
    refused(MINIMAL "vcpus = 99", "out of range");
    refused(MINIMAL "vcpus = 2\nmaxvcpus = 1", "maxvcpus= is less");
    refused(MINIMAL "memory=8\nmaxmem=4", "maxmem");
    refused(MINIMAL "on_crash='explode'", "t.cfg:3:10");
    refused(MINIMAL "on_soft_reset='soft-reset'", "not reset while they live");
    refused(MINIMAL "type='hvm'", "only \"pv\"");
    refused(MINIMAL "type='pvh'", "only \"pv\"");
    refused(MINIMAL "type='generic'", "Invalid domain type generic.");
    refused(MINIMAL "uuid='123'", "UUID");
    refused(MINIMAL "disk='phy:x,xvda,w'", "t.cfg:3:6: error: disk takes a list");
    refused(MINIMAL "name=['x']", "name takes a string");
    refused(MINIMAL "disk=['x,raw,xvda,w','y,raw,51712,w']", "t.cfg:3:22: error: two disks");
    refused(MINIMAL "disk=['x,qcow2,xvda,w']", "format qcow2: the back end knows raw");
    refused(MINIMAL "vif=['mac=1']", "no mac address");
    refused(MINIMAL "vif=['devid=1','']", "two interfaces have the devid 1");
}

static void keys_shares(void)
{
    accepted(MINIMAL "vcpus=2\ncpu_weight='512'\ncap=200\nmax_grant_frames=8\n"
                     "max_maptrack_frames=0\nmax_event_channels=100\nrtc_timeoffset='-60'\n"
                     "tsc_mode='native'\nmaxvcpus=4\npool='Pool-0'\nmax_grant_version=2");
    CU_ASSERT_EQUAL(config.limits.weight, 512);
    CU_ASSERT_EQUAL(config.limits.cap, 200);
    CU_ASSERT_EQUAL(config.limits.grant_frames, 8);
    CU_ASSERT_EQUAL(config.limits.maptrack_frames, 0);
    CU_ASSERT_EQUAL(config.limits.event_channels, 100);
    CU_ASSERT_EQUAL(config.time_offset, -60);
    CU_ASSERT_TRUE(config.native_tsc);
    CU_ASSERT_EQUAL(config.maxvcpus, 4);
    refused(MINIMAL "cpu_weight=0", "out of range 1 to 65535");
    refused(MINIMAL "cap=101", "cap= is more than 100 for each vcpu");
    refused(MINIMAL "pool='fast'", "there is Pool-0 only");
    refused(MINIMAL "tsc_mode='always_emulate'", "counters are native");
    refused(MINIMAL "cpuid='host,tm=0'", "same features");
    refused(MINIMAL "cpuid=['0x1:ecx=x']", "same features");
    refused(MINIMAL "max_grant_version=0", "out of range");
    accepted(MINIMAL "cpuid='host'\npci=[]\nvtpm=''\nvnc=0\nbootloader=''\naltp2m='disabled'");
    refused(MINIMAL "vnc=1", "vnc: there are no virtual screens");
    refused(MINIMAL "usbdev=['type=hostdev']", "usbdev: there is no back end");
    refused(MINIMAL "seclabel='x'", "seclabel: there is no security policy");
}

static bool in(const struct xl_cpus *cpus, unsigned int cpu)
{
    return cpus->bits[cpu / 8] >> cpu % 8 & 1;
}

static void cpus(void)
{
    static const char *const bad[] = {"x",     "1-",      "-1", "2-1",  "1-2-3",
                                      "^all",  "nodes:1", "1x", "0 ,1", "99999999999999999999",
                                      "node:", "^"};
    struct xl_cpus set;

    CU_ASSERT_TRUE(xl_cpus_parse(&set, "0-3,^2, 9,,4000", &why));
    CU_ASSERT_TRUE(in(&set, 0) && in(&set, 1) && !in(&set, 2) && in(&set, 3) && !in(&set, 4));
    CU_ASSERT_TRUE(in(&set, 9));
    CU_ASSERT_TRUE(xl_cpus_parse(&set, "all,^1", &why));
    CU_ASSERT_TRUE(in(&set, 0) && !in(&set, 1) && in(&set, XL_CPUS_MAX - 1));
    CU_ASSERT_TRUE(xl_cpus_parse(&set, "nodes:0,^node:0,5", &why));
    CU_ASSERT_TRUE(in(&set, 5) && !in(&set, 4));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(xl_cpus_parse(&set, bad[i], &why));
    }
    accepted(MINIMAL "maxvcpus=3\ncpus='1'\ncpus_soft=[0,'1',2,3,4]");
    CU_ASSERT_EQUAL(config.hard_count, 3);
    CU_ASSERT_EQUAL(config.soft_count, 3);
    CU_ASSERT_TRUE(in(&config.hard[2], 1) && !in(&config.hard[2], 0) && in(&config.soft[2], 2));
    accepted(MINIMAL "cpus=[0]\nvcpus=2");
    CU_ASSERT_EQUAL(config.hard_count, 1);
    refused(MINIMAL "cpus=[0,'x']\nvcpus=2", "t.cfg:3:9: error: cpus: no range of processors");
}

static void vnuma(void)
{
    accepted(MINIMAL "memory=8\nvnuma=[['pnode=0','size = 16','vcpus=0-1,2','vdistances=10']]");
    CU_ASSERT_EQUAL(config.maxvcpus, 3);
    CU_ASSERT_EQUAL(config.maxmem_kib, 16 * 1024);
    accepted(MINIMAL "vnuma=[]");
    refused(MINIMAL "vnuma=[['size=8','vcpus=0'],['size=8','vcpus=1']]", "has one node");
    refused(MINIMAL "vnuma=[['size=8','vcpus=0','pnode=1']]", "there is node 0 only");
    refused(MINIMAL "vnuma=[['size=8']]", "a node has size= and vcpus=");
    refused(MINIMAL "vnuma=[['size=8','vcpus=0,99']]", "a node has size= and vcpus=");
    refused(MINIMAL "maxmem=9\nvnuma=[['size=8','vcpus=0']]", "says something else");
    refused(MINIMAL "vnuma=['size=8']", "vnuma takes a list of lists");
}

static bool disk_parse(const char *text, struct xl_disk *disk)
{
    return xl_disk_parse(config.memory, disk, text, &why);
}

static const struct {
    const char *text, *target;
    uint32_t number;
    bool readonly, cdrom, untrusted;
} good_disks[] = {
    {"/dev/vda,raw,xvda,w",                                                          "vda",            51712, false, false, false},
    {"vda,,hda",                                                                     "vda",            768,   false, false, false},
    {"phy:vda,hdc:cdrom,r",                                                          "vda",            5632,  true,  true,  false},
    {"phy:/dev/vda,51712,w",                                                         "vda",            51712, false, false, false},
    {"tap:aio:vda,xvda1,w",                                                          "vda",            51713, false, false, false},
    {"tap2:raw:/dev/a,xvda",                                                         "a",              51712, false, false, false},
    {"file:/dev/a,xvdf:disk,ro",                                                     "a",              51792, true,  false, false},
    {"/dev/a,,sda,cdrom",                                                            "a",              2048,  true,  true,  false},
    {",hdc:cdrom",                                                                   "",               5632,  true,  true,  false},
    {"vdev=hdc,cdrom",                                                               "",               5632,  true,  true,  false},
    {"vdev=xvda, access=ro, target=a,b=c,",                                          "a,b=c",          51712, true,  false, false},
    {"discard,no-discard,direct-io-safe,untrusted,trusted,vdev=xvda,target=a",       "a",              51712, false,
     false,                                                                                                                 false},
    {"a,raw,xvda,w,untrusted,no-colo",                                               "a",              51712, false, false, true },
    {"a,backend=Domain-0,raw,xvda,script=block,backendtype=qdisk,specification=xen", "a",              51712,
     false,                                                                                                          false, false},
    {"vdev=xvda,format=raw,a",                                                       "a",              51712, false, false, false},
    {"/dev/disk by-id/a b,raw,xvda,w",                                               "disk by-id/a b", 51712, false, false, false},
};
static const struct {
    const char *text, *words;
} bad_disks[] = {
    {"vda,raw,xvda,x",                    "access is r or w"            },
    {"vda,raw,xvda,w,more",               "one word too many"           },
    {"vdev=xvda",                         "no target"                   },
    {"vda",                               "no vdev"                     },
    {"colour=red,vda,raw,xvda",           "unknown parameter \"colour\""},
    {"what is this",                      "no vdev"                     },
    {"a,qcow2,xvda",                      "format qcow2"                },
    {"vhd:a,xvda",                        "format vhd"                  },
    {"a,bmp,xvda",                        "unknown format \"bmp\""      },
    {"a,raw,xvda,format=qcow",            "format is given twice"       },
    {"a,raw,xvda,vdev=xvdb",              "vdev is given twice"         },
    {"a,empty,xvda",                      "only a CD-ROM drive"         },
    {"drbd:r0,xvda,w",                    "script block-drbd"           },
    {"a,raw,xvda,script=block-x",         "script block-x"              },
    {"a,raw,xvda,backend=store",          "backend store"               },
    {"a,raw,xvda,backendtype=nbd",        "unknown backendtype"         },
    {"a,raw,xvda,backendtype=standalone", "not offered"                 },
    {"a,raw,xvda,specification=virtio",   "not offered"                 },
    {"a,raw,xvda,colo",                   "COLO"                        },
    {"foo:/a,xvda",                       "unknown prefix \"foo:\""     },
    {"a,raw,xvda:tape,w",                 "devtype is disk or cdrom"    },
    {"a,raw,vda,w",                       "no device name: \"vda\""     },
    {"a,raw,2147483648,w",                "no device name"              },
    {"a\n,raw,xvda",                      "a line ends"                 },
};

static void disks(void)
{
    struct xl_disk disk;

    for (size_t i = 0; i < sizeof(good_disks) / sizeof(good_disks[0]); i++) {
        CU_ASSERT_TRUE_FATAL(disk_parse(good_disks[i].text, &disk));
        CU_ASSERT_STRING_EQUAL(disk.target, good_disks[i].target);
        CU_ASSERT_EQUAL(disk.number, good_disks[i].number);
        CU_ASSERT_EQUAL(disk.readonly, good_disks[i].readonly);
        CU_ASSERT_EQUAL(disk.cdrom, good_disks[i].cdrom);
        CU_ASSERT_EQUAL(disk.untrusted, good_disks[i].untrusted);
    }
    for (size_t i = 0; i < sizeof(bad_disks) / sizeof(bad_disks[0]); i++) {
        why.text[0] = '\0';
        CU_ASSERT_FALSE(disk_parse(bad_disks[i].text, &disk));
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, bad_disks[i].words));
        if (!strstr(why.text, bad_disks[i].words)) {
            printf("%s -> %s\n", bad_disks[i].text, why.text);
        }
    }
}

static void vifs(void)
{
    static const char *const bad[] = {
        "mac=x",           "mac=0:1:2:3:4",    "mac=0:1:2:3:4:100",
        "mac=1:0:0:0:0:0", "colour=red",       "bridge",
        "type=ioemu",      "script=vif-route", "backend=net",
        "vifname=a/b",     "vifname=vif3.0",   "vifname=..",
        "vifname=a b",     "vifname=a:b",      "vifname=sixteen-letters-",
        "rate=1",          "antispoof=off",    "mtu=9000",
        "mtu=x",           "devid=-1",         "colo_filter_mirror_queue=1"};
    struct xl_vif vif;

    CU_ASSERT_TRUE(xl_vif_parse(config.memory, &vif, "", &why));
    CU_ASSERT_EQUAL(vif.id, XL_VIF_ANY);
    CU_ASSERT_FALSE(vif.has_mac);
    CU_ASSERT_TRUE(
        xl_vif_parse(config.memory, &vif,
                     "rate = 100KB/s,ip=1.2.3.4 255.0.0.0 , vifname=v1,\tmac=0:16:3E:1:2:31 ,"
                     "bridge=br0,,script=/etc/xen/scripts/vif-bridge,backend=0,type=vif,"
                     "model=e1000,mtu=1400,devid=7,untrusted,gatewaydev=eth0,accel=x",
                     &why));
    CU_ASSERT_EQUAL(memcmp(vif.mac, "\0\x16\x3e\1\2\x31", 6), 0);
    CU_ASSERT_STRING_EQUAL(vif.ip, "1.2.3.4 255.0.0.0");
    CU_ASSERT_STRING_EQUAL(vif.name, "v1");
    CU_ASSERT_STRING_EQUAL(vif.bridge, "br0");
    CU_ASSERT_EQUAL(vif.rate_bytes, 5000);
    CU_ASSERT_EQUAL(vif.rate_usecs, 50000);
    CU_ASSERT_EQUAL(vif.mtu, 1400);
    CU_ASSERT_EQUAL(vif.id, 7);
    CU_ASSERT_TRUE(vif.untrusted);
    CU_ASSERT_FALSE(vif.foreign_addresses);
    CU_ASSERT_TRUE(xl_vif_parse(config.memory, &vif, "antispoof = 1", &why) &&
                   !vif.foreign_addresses);
    CU_ASSERT_TRUE(xl_vif_parse(config.memory, &vif, "mac=0:16:3E:1:2:31,antispoof=0", &why) &&
                   vif.foreign_addresses);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool parsed = xl_vif_parse(config.memory, &vif, bad[i], &why);
        CU_ASSERT_FALSE(parsed);
        if (parsed) {
            printf("%s\n", bad[i]);
        }
    }
}

static void rates(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        uint32_t usecs;
    } good[] = {
        {"10MB/s",            500000,     50000  },
        {"8Mb/s",             50000,      50000  },
        {"1GB/s@1s",          1000000000, 1000000},
        {"100B/s@2",          200,        2000000},
        {"4294967295B/s@1ms", 4294967,    1000   },
        {"1MB/s@20ms",        20000,      20000  },
        {"1MB/s@20000us",     20000,      20000  },
        {"1MB/s@20000u",      20000,      20000  },
    };
    static const char *const bad[] = {
        "",       "@1s",          "MB/s",     "10",        "10M",     "10MB",
        "10MB/h", "10MB/s@",      "10MB/s@s", "10MB/s@1h", "0MB/s",   "4294967296B/s",
        "-1B/s",  "10MB/s@4295s", "1B/s",     " 10MB/s",   "0x10B/s", "10MB/s 1"};
    uint64_t bytes;
    uint32_t usecs;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_TRUE(xl_rate_parse(good[i].text, &bytes, &usecs, &why));
        CU_ASSERT_EQUAL(bytes, good[i].bytes);
        CU_ASSERT_EQUAL(usecs, good[i].usecs);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(xl_rate_parse(bad[i], &bytes, &usecs, &why));
    }
}

static void vdevs(void)
{
    static const struct {
        const char *name;
        uint32_t number;
    } good[] = {
        {"xvda",   51712                  },
        {"xvda1",  51713                  },
        {"xvdb",   51728                  },
        {"sda",    2048                   },
        {"sdb15",  2079                   },
        {"hdb",    832                    },
        {"d0",     51712                  },
        {"d1p2",   51730                  },
        {"xvdq",   (1U << 28) | (16 << 8) },
        {"xvdaa",  (1U << 28) | (26 << 8) },
        {"xvdaaa", (1U << 28) | (702 << 8)},
        {"51712",  51712                  },
        {"0xca00", 51712                  },
        {"d0x1p0", 51728                  },
    };
    static const char *const bad[] = {"",    "xvd",     "xvda0", "xvda-1", "sdq", "hde",
                                      "vda", "xvda999", "d",     "0x",     "-1",  "51712x"};
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

/* A file's head says what comes of it: "# expect: accepted" or words of the message, "# cmdline: ...",
 * "# disks: N". */
static const char *expectation(const char *text, const char *name, char *value, size_t size)
{
    char mark[32];

    snprintf(mark, sizeof(mark), "# %s: ", name);
    const char *at = strstr(text, mark);
    if (!at) {
        return NULL;
    }
    at += strlen(mark);
    snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
    return value;
}

static void real_file(const char *name)
{
    static char text[8192];
    char path[300], value[200], number[12];

    snprintf(path, sizeof(path), FILES "/%s", name);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    fclose(file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(expectation(text, "expect", value, sizeof(value)));
    if (strcmp(value, "accepted") != 0) {
        refused(text, value);
        return;
    }
    accepted(text);
    CU_ASSERT_PTR_NULL(strstr(said, "unknown key"));
    if (expectation(text, "cmdline", value, sizeof(value))) {
        CU_ASSERT_STRING_EQUAL(config.cmdline, value);
    }
    if (expectation(text, "disks", value, sizeof(value))) {
        snprintf(number, sizeof(number), "%u", config.disk_count);
        CU_ASSERT_STRING_EQUAL(number, value);
    }
}

static void real_files(void)
{
    DIR *folder = opendir(FILES);
    unsigned int count = 0;
    struct dirent *entry;

    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, ".cfg")) {
            real_file(entry->d_name);
            count++;
        }
    }
    closedir(folder);
    CU_ASSERT_TRUE(count >= 30);
}

/* docs/xl-cfg.md says of each key what the table says. */
static void keys_documented(void)
{
    static const char *const fates[] = {
        [XL_KEY_HONOURED] = "honoured", [XL_KEY_IDLE] = "nothing", [XL_KEY_REFUSED] = "refused"};
    static char text[65536];
    FILE *file = fopen("docs/xl-cfg.md", "rb");
    size_t count, length;
    char row[120];

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    fclose(file);
    const struct xl_key *keys = xl_key_list(&count);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_PTR_EQUAL(xl_key_find(keys[i].name), &keys[i]);
        snprintf(row, sizeof(row), "| `%s` | %s |", keys[i].name, fates[keys[i].fate]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, row));
        if (!strstr(text, row)) {
            printf("no %s in docs/xl-cfg.md\n", row);
        }
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(file_whole),      REPORT_CASE(defaults),      REPORT_CASE(grammar),
    REPORT_CASE(lengths),         REPORT_CASE(errors_syntax), REPORT_CASE(errors_values),
    REPORT_CASE(keys_shares),     REPORT_CASE(cpus),          REPORT_CASE(vnuma),
    REPORT_CASE(disks),           REPORT_CASE(vifs),          REPORT_CASE(rates),
    REPORT_CASE(vdevs),           REPORT_CASE(random_text),   REPORT_CASE(real_files),
    REPORT_CASE(keys_documented),
};

int main(void)
{
    int result = report_run("xl_config", cases, sizeof(cases) / sizeof(cases[0]));

    xl_config_free(&config);
    return result;
}
