// SPDX-License-Identifier: MIT
/*
 * The ISO 9660 reader against images that xorriso makes: names with and without Rock Ridge, long
 * names, big directories, contents at any offset, and damaged images.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/errno.h>

#include "pvguest/iso9660.h"
#include "tests/report.h"

#define BIG_SIZE 300001U
#define MANY 200U
#define LONG_NAME_LENGTH 240U

static char folder[] = "/tmp/iso9660-XXXXXX";
static uint8_t *image;
static size_t image_size;
static struct block_device disk;

/* The reader's view of a disk: the image in memory. */
int block_read(struct block_device *device, uint64_t sector, void *buffer, size_t count)
{
    if (sector > device->sectors || count > device->sectors - sector) {
        return -XEN_EINVAL;
    }
    memcpy(buffer, image + sector * BLOCK_SECTOR_SIZE, count * BLOCK_SECTOR_SIZE);
    return 0;
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13);
}

static void file_write(const char *name, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tree/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (size_t i = 0; i < size; i++) {
        fputc(pattern(i), file);
    }
    fclose(file);
}

static void long_name(char *name)
{
    memset(name, 'n', LONG_NAME_LENGTH);
    memcpy(name, "Long ", 5);
    name[LONG_NAME_LENGTH] = '\0';
}

static void tree_make(void)
{
    char path[512];
    char name[LONG_NAME_LENGTH + 1];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    const char *folders[] = {"tree", "tree/sub", "tree/sub/deeper", "tree/many"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        mkdir(path, 0755);
    }
    file_write("Index.html", 100);
    file_write("empty", 0);
    file_write("sub/deeper/big.bin", BIG_SIZE);
    long_name(name);
    file_write(name, 5);
    for (unsigned int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/file number %u", i);
        file_write(name, i);
    }
    snprintf(path, sizeof(path), "%s/tree/link", folder);
    CU_ASSERT_EQUAL(symlink("Index.html", path), 0);
}

static void image_make(const char *options)
{
    char command[512];
    snprintf(command, sizeof(command),
             "xorriso -as mkisofs %s -quiet -V 'TEST VOLUME' -o %s/image %s/tree 2>/dev/null",
             options, folder, folder);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
    snprintf(command, sizeof(command), "%s/image", folder);
    FILE *file = fopen(command, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, 0, SEEK_END);
    image_size = (size_t)ftell(file);
    rewind(file);
    free(image);
    image = malloc(image_size);
    CU_ASSERT_EQUAL(fread(image, 1, image_size, file), image_size);
    fclose(file);
    disk = (struct block_device){.sectors = image_size / BLOCK_SECTOR_SIZE, .sector_size = 512};
}

static void contents_check(const struct iso9660_volume *volume, const char *path, size_t size)
{
    struct iso9660_file file;
    CU_ASSERT_EQUAL_FATAL(iso9660_open(volume, path, &file), 0);
    CU_ASSERT_TRUE(file.regular);
    CU_ASSERT_EQUAL(file.size, size);
    uint8_t *data = aligned_alloc(512, (size + 1024) & ~511UL);
    CU_ASSERT_EQUAL(iso9660_read(volume, &file, 0, data, size + 100), (long)size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++) {
        wrong += data[i] != pattern(i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(data);
}

static void names_rock_ridge(void)
{
    struct iso9660_volume volume;
    struct iso9660_file file;
    char name[LONG_NAME_LENGTH + 1];
    image_make("-R");
    CU_ASSERT_EQUAL_FATAL(iso9660_mount(&volume, &disk), 0);
    CU_ASSERT_STRING_EQUAL(volume.label, "TEST VOLUME");
    CU_ASSERT_TRUE(volume.rock_ridge);
    contents_check(&volume, "/Index.html", 100);
    contents_check(&volume, "empty", 0);
    contents_check(&volume, "//sub//deeper/big.bin", BIG_SIZE);
    contents_check(&volume, "many/file number 150", 150);
    long_name(name);
    contents_check(&volume, name, 5);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "index.html", &file), -XEN_ENOENT);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "sub/nothing", &file), -XEN_ENOENT);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "Index.html/x", &file), -XEN_ENOTDIR);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "link", &file), 0);
    CU_ASSERT_FALSE(file.regular);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "", &file), 0);
    CU_ASSERT_TRUE(file.directory);
}

static void names_plain(void)
{
    struct iso9660_volume volume;
    image_make("--norock");
    CU_ASSERT_EQUAL_FATAL(iso9660_mount(&volume, &disk), 0);
    CU_ASSERT_FALSE(volume.rock_ridge);
    contents_check(&volume, "/index.htm", 100);
    contents_check(&volume, "INDEX.HTM", 100);
    contents_check(&volume, "sub/deeper/big.bin", BIG_SIZE);
}

static int count_visit(void *context, const char *name, const struct iso9660_file *file)
{
    unsigned int *count = context;
    CU_ASSERT_NOT_EQUAL(strcmp(name, "."), 0);
    CU_ASSERT_TRUE(file->regular);
    (*count)++;
    return 0;
}

static void directory_big(void)
{
    struct iso9660_volume volume;
    struct iso9660_file file;
    unsigned int count = 0;
    image_make("-R");
    CU_ASSERT_EQUAL_FATAL(iso9660_mount(&volume, &disk), 0);
    CU_ASSERT_EQUAL(iso9660_open(&volume, "many", &file), 0);
    CU_ASSERT_TRUE(file.size > 2048);
    CU_ASSERT_EQUAL(iso9660_list(&volume, &file, count_visit, &count), 0);
    CU_ASSERT_EQUAL(count, MANY);
}

static void read_offsets(void)
{
    struct iso9660_volume volume;
    struct iso9660_file file;
    static uint8_t data[9000];
    image_make("-R");
    CU_ASSERT_EQUAL_FATAL(iso9660_mount(&volume, &disk), 0);
    CU_ASSERT_EQUAL_FATAL(iso9660_open(&volume, "sub/deeper/big.bin", &file), 0);
    for (size_t offset = 0; offset < BIG_SIZE + 5000; offset += 1777) {
        size_t length = offset % sizeof(data);
        size_t rest = offset < BIG_SIZE ? BIG_SIZE - offset : 0;
        size_t expected = length < rest ? length : rest;
        size_t wrong = 0;
        CU_ASSERT_EQUAL(iso9660_read(&volume, &file, offset, data, length), (long)expected);
        for (size_t i = 0; i < expected; i++) {
            wrong += data[i] != pattern(offset + i);
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

static void not_a_volume(void)
{
    struct iso9660_volume volume;
    image_make("-R");
    disk.sectors = 16;
    CU_ASSERT_EQUAL(iso9660_mount(&volume, &disk), -XEN_EINVAL);
    disk.sectors = 17 * 4; /* the volume does not fit any more */
    CU_ASSERT_EQUAL(iso9660_mount(&volume, &disk), -XEN_EINVAL);
    disk.sectors = image_size / BLOCK_SECTOR_SIZE;
    memset(image + 16 * 2048, 0, 2048);
    CU_ASSERT_EQUAL(iso9660_mount(&volume, &disk), -XEN_EINVAL);
}

static int walk_visit(void *context, const char *name, const struct iso9660_file *file)
{
    (void)file;
    return strlen(name) > ISO9660_NAME_MAX || ++*(unsigned int *)context > 10000 ? -1 : 0;
}

/* Damaged images give errors or wrong names, never a wild access (the sanitizers watch). */
static void damage(void)
{
    image_make("-R");
    uint8_t *whole = malloc(image_size);
    memcpy(whole, image, image_size);
    srand(1);
    for (unsigned int round = 0; round < 2000; round++) {
        struct iso9660_volume volume;
        struct iso9660_file file;
        uint8_t data[512];
        unsigned int count = 0;
        memcpy(image, whole, image_size < 262144 ? image_size : 262144);
        for (unsigned int i = 0; i < 20; i++) {
            image[32768 + (size_t)rand() % 100000] = (uint8_t)rand();
        }
        if (iso9660_mount(&volume, &disk) == 0) {
            CU_ASSERT_TRUE(iso9660_list(&volume, &volume.root, walk_visit, &count) <= 0);
            if (iso9660_open(&volume, "sub/deeper/big.bin", &file) == 0) {
                (void)iso9660_read(&volume, &file, file.size / 2, data, sizeof(data));
            }
        }
    }
    free(whole);
}

static void tree_remove(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    CU_ASSERT_EQUAL(system(command), 0);
    free(image);
}

static const struct report_case cases[] = {
    REPORT_CASE(tree_make),     REPORT_CASE(names_rock_ridge), REPORT_CASE(names_plain),
    REPORT_CASE(directory_big), REPORT_CASE(read_offsets),     REPORT_CASE(not_a_volume),
    REPORT_CASE(damage),        REPORT_CASE(tree_remove),
};

int main(void)
{
    return report_run("iso9660", cases, sizeof(cases) / sizeof(cases[0]));
}
