// SPDX-License-Identifier: MIT
// The reader of domain configurations.
#include "tests/libfuzzer/harness.h"
#include "tools/xl/xl_config.h"

#include <string.h>

static void print(struct xl_messages *messages, const char *line)
{
    *(size_t *)messages->context += strlen(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xl_config config;
    size_t said = 0;
    struct xl_messages messages = {print, &said};

    bool good = xl_config_parse(&config, "f.cfg", (const char *)data, size, &messages);
    HARNESS_CHECK(good || said > 0);
    if (good) {
        HARNESS_CHECK(config.name[0] && config.kernel[0]);
        HARNESS_CHECK(strlen(config.cmdline) < XL_CMDLINE_MAX && strlen(config.ramdisk) < size);
        HARNESS_CHECK(config.vcpus > 0 && config.vcpus <= config.maxvcpus);
        HARNESS_CHECK(config.hard_count <= config.maxvcpus && config.soft_count <= config.maxvcpus);
    }
    for (unsigned int i = 0; good && i < config.disk_count; i++)
        HARNESS_CHECK(strlen(config.disks[i].target) + strlen(config.disks[i].vdev) < size);
    for (unsigned int i = 0; good && i < config.vif_count; i++)
        HARNESS_CHECK(strlen(config.vifs[i].bridge) + strlen(config.vifs[i].ip) < size);
    xl_config_free(&config);
    return 0;
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    static const char *const texts[] = {
        "name='g'\nkernel='k'\n",
        "# a guest\nname = \"web\"; kernel='/guests/web.elf'\nmemory = 64 # "
        "MiB\nmaxmem=0x80\nvcpus=2\n"
        "maxvcpus=4\nextra = \"a=\\\"b c\\\"\"\nroot='/dev/xvda'\n"
        "disk = [ 'phy:vda,xvda,r',\n 'format=raw, vdev=xvdb, access=rw, target=vol,1', ]\n"
        "vif = ['mac=00:16:3e:01:02:03,bridge=br0,ip=10.0.0.2', '']\non_crash=\"preserve\"\n"
        "on_poweroff='destroy'\ntype='pv'\nuuid='01234567-89ab-cdef-0123-456789abcdef'\n",
        "name='x'\nkernel=\"k\"\ndisk=['/dev/vg/v,raw,hda1,cdrom','tap:aio:/x,sda,w']\n"
        "vif=['type=vif,script=vif-bridge']\ncmdline='console=hvc0'\nramdisk='r'\nbuilder='generic'"
        "\n",
    };

    if (number >= sizeof(texts) / sizeof(texts[0]))
        return 0;
    memcpy(seed, texts[number], strlen(texts[number]));
    return strlen(texts[number]);
}
