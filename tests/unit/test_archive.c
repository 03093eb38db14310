// SPDX-License-Identifier: MIT
/* The boot archive: cpio and tar, names, damaged archives. */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/archive.h"
#include "tests/report.h"

static char buffer[16384];
static size_t used;

static void cpio_add(const char *name, unsigned int mode, const char *data)
{
    size_t name_size = strlen(name) + 1, size = strlen(data);
    used += (size_t)sprintf(
        buffer + used, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 0U, mode, 0U,
        0U, 1U, 0U, (unsigned int)size, 0U, 0U, 0U, 0U, (unsigned int)name_size, 0U);
    memcpy(buffer + used, name, name_size);
    used = (used + name_size + 3) & ~(size_t)3;
    memcpy(buffer + used, data, size);
    used = (used + size + 3) & ~(size_t)3;
}

static void tar_add(const char *name, char type, const char *data)
{
    char *header = buffer + used;
    memset(header, 0, 512);
    strncpy(header, name, 100);
    sprintf(header + 124, "%011o", (unsigned int)strlen(data));
    header[156] = type;
    memcpy(header + 257, "ustar", 6);
    memset(header + 512, 0, 512);
    memcpy(header + 512, data, strlen(data));
    used += 512 + ((strlen(data) + 511) & ~(size_t)511);
}

/* A copy of exactly `size` bytes: the sanitizer sees what is read behind it. */
static bool find(size_t size, const char *name, char *data, size_t room)
{
    char *copy = malloc(size ? size : 1);
    struct archive archive = {copy, size};
    struct archive_file file;
    memcpy(copy, buffer, size);
    bool found = archive_find(&archive, name, &file);
    if (found) {
        snprintf(data, room, "%.*s", (int)file.size, (const char *)file.data);
    }
    free(copy);
    return found;
}

static void fill(bool tar)
{
    memset(buffer, 0, sizeof(buffer));
    used = 0;
    if (tar) {
        tar_add("guests/", '5', "");
        tar_add("./guests/a.cfg", '0', "name='a'");
        tar_add("guests/b.elf", '0', "ELF");
        used += 1024;
    } else {
        cpio_add("guests", 040755, "");
        cpio_add("guests/a.cfg", 0100644, "name='a'");
        cpio_add("/guests/b.elf", 0100644, "ELF");
        cpio_add("TRAILER!!!", 0, "");
    }
}

static void formats(void)
{
    char data[64];
    for (int tar = 0; tar < 2; tar++) {
        fill(tar);
        CU_ASSERT_TRUE(find(used, "/guests/a.cfg", data, sizeof(data)));
        CU_ASSERT_STRING_EQUAL(data, "name='a'");
        CU_ASSERT_TRUE(find(used, "guests/b.elf", data, sizeof(data)));
        CU_ASSERT_STRING_EQUAL(data, "ELF");
        CU_ASSERT_FALSE(find(used, "guests", data, sizeof(data)));
        CU_ASSERT_FALSE(find(used, "a.cfg", data, sizeof(data)));
        CU_ASSERT_FALSE(find(used, "", data, sizeof(data)));
    }
}

static void damaged(void)
{
    char data[64];
    for (int tar = 0; tar < 2; tar++) {
        fill(tar);
        for (size_t size = 0; size <= used; size++) {
            find(size, "/guests/b.elf", data, sizeof(data));
        }
        srand(9);
        for (int i = 0; i < 20000; i++) {
            fill(tar);
            for (int j = 0; j < 4; j++) {
                buffer[(size_t)rand() % used] = (char)(rand() % 3 ? rand() : 'F');
            }
            find(used, "/guests/none", data, sizeof(data));
        }
    }
    CU_ASSERT_FALSE(find(0, "x", data, sizeof(data)));
}

static const struct report_case cases[] = {REPORT_CASE(formats), REPORT_CASE(damaged)};

int main(void)
{
    return report_run("archive", cases, sizeof(cases) / sizeof(cases[0]));
}
