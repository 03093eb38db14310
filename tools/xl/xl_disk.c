// SPDX-License-Identifier: MIT
/* What becomes of an entry of disk= here. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_disk_spec.h"

/* "LETTERS[PARTITION]": drives a to z, aa and so on, up to `disks` of them. */
static bool letters_read(const char *text, unsigned int disks, unsigned int partitions,
                         unsigned int *disk, unsigned int *partition)
{
    unsigned long value = 0;
    char *end;

    if (*text < 'a' || *text > 'z') {
        return false;
    }
    for (; *text >= 'a' && *text <= 'z'; text++) {
        value = value * 26 + (unsigned long)(*text - 'a') + 1;
        if (value > disks) {
            return false;
        }
    }
    *disk = (unsigned int)value - 1;
    *partition = 0;
    if (!*text) {
        return true;
    }
    if (*text < '1' || *text > '9') {
        return false;
    }
    value = strtoul(text, &end, 10);
    *partition = (unsigned int)value;
    return !*end && value < partitions;
}

/* "dDISK[pPARTITION]" */
static bool numbers_read(const char *text, unsigned int *disk, unsigned int *partition)
{
    unsigned long value;
    char *end;

    if (text[0] != 'd' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    value = strtoul(text + 1, &end, 0);
    *disk = (unsigned int)value;
    *partition = 0;
    if (value >= 1U << 20) {
        return false;
    }
    if (*end == 'p' && end[1] >= '0' && end[1] <= '9') {
        value = strtoul(end + 1, &end, 0);
        *partition = (unsigned int)value;
    }
    return !*end && value < 1U << 20 && *partition < 256;
}

/* Numbers as in xen-vbd-interface(7). */
bool xl_vdev_number(const char *vdev, uint32_t *number)
{
    unsigned int disk, partition;
    unsigned long value;
    char *end;

    if (numbers_read(vdev, &disk, &partition) ||
        (strncmp(vdev, "xvd", 3) == 0 &&
         letters_read(vdev + 3, 1U << 20, 256, &disk, &partition))) {
        *number = disk < 16 && partition < 16 ? 202U << 8 | disk << 4 | partition
                                              : 1U << 28 | disk << 8 | partition;
        return true;
    }
    if (strncmp(vdev, "hd", 2) == 0 && letters_read(vdev + 2, 4, 64, &disk, &partition)) {
        *number = (disk < 2 ? 3U : 22U) << 8 | (disk & 1) << 6 | partition;
        return true;
    }
    if (strncmp(vdev, "sd", 2) == 0 && letters_read(vdev + 2, 16, 16, &disk, &partition)) {
        *number = 8U << 8 | disk << 4 | partition;
        return true;
    }
    errno = 0;
    value = strtoul(vdev, &end, 0);
    *number = (uint32_t)value;
    return *vdev >= '0' && *vdev <= '9' && !*end && !errno && value <= INT_MAX;
}

/* True for the names that domain 0 has as a back end. */
static bool is_dom0(const char *name)
{
    return !name || !*name || strcmp(name, "0") == 0 || strcmp(name, "Domain-0") == 0;
}

/* What no back end here can do. */
static bool spec_check(const struct xl_disk_spec *spec, struct xl_why *why)
{
    static const char *const formats[] = {
        [XL_QCOW] = "qcow", [XL_QCOW2] = "qcow2", [XL_VHD] = "vhd",
        [XL_RAW] = "raw",   [XL_EMPTY] = "",      [XL_QED] = "qed"};
    const char *script = spec->script ? spec->script : "";

    if (spec->format != XL_RAW && spec->format != XL_EMPTY) {
        return xl_because(why, "format %s: the back end knows raw volumes only",
                          formats[spec->format]);
    }
    if (spec->format == XL_EMPTY && !spec->cdrom) {
        return xl_because(why, "only a CD-ROM drive can be empty");
    }
    if (spec->format == XL_EMPTY && spec->target && *spec->target) {
        return xl_because(why, "an empty drive has no target");
    }
    if (!is_dom0(spec->backend)) {
        return xl_because(why, "backend %.60s: back ends are in domain 0 only", spec->backend);
    }
    if (*script && strcmp(script, "block") != 0) {
        return xl_because(why, "script %.60s: no scripts are run, a target is a volume of domain 0",
                          script);
    }
    if (spec->virtio || spec->backendtype == XL_STANDALONE) {
        return xl_because(why, "virtio and standalone back ends are not offered");
    }
    if (spec->colo == XL_YES || spec->colo_port || spec->colo_host || spec->colo_export ||
        spec->active_disk || spec->hidden_disk) {
        return xl_because(why, "COLO replication is not offered");
    }
    return true;
}

bool xl_disk_parse(struct xl_memory *memory, struct xl_disk *disk, const char *text,
                   struct xl_why *why)
{
    struct xl_disk_spec spec;

    memset(disk, 0, sizeof(*disk));
    if (!xl_disk_spec_read(memory, &spec, text, why) || !spec_check(&spec, why)) {
        return false;
    }
    disk->target = spec.target ? spec.target : "";
    if (strncmp(disk->target, "/dev/", 5) == 0) {
        disk->target += 5; /* volumes are named without a folder here */
    }
    disk->vdev = spec.vdev;
    disk->readonly = spec.readonly;
    disk->cdrom = spec.cdrom;
    disk->untrusted = spec.trusted == XL_NO;
    if (!*disk->target && spec.format != XL_EMPTY) {
        return xl_because(why, "no target");
    }
    return xl_vdev_number(disk->vdev, &disk->number) ||
           xl_because(why, "no device name: \"%.60s\"", disk->vdev);
}
