// SPDX-License-Identifier: MIT
/* The block layer on a RAM disk, packets and blank checksums. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/block.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "pvguest/examples/selftest/selftest.h"

#define DISK_SECTORS 256U

static char *disk_data;

static int disk_submit(struct block_device *device, struct block_request *request)
{
    int rc = block_check(device, request);
    if (rc != 0) {
        return rc;
    }
    char *at = disk_data + request->sector * BLOCK_SECTOR_SIZE;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct block_segment *segment = &request->segments[i];
        memcpy(request->operation == BLOCK_READ ? segment->address : at,
               request->operation == BLOCK_READ ? at : segment->address, segment->length);
        at += segment->length;
    }
    request->status = 0;
    request->done(request);
    return 0;
}

static struct block_device disk = {.name = "ram0",
                                   .sectors = DISK_SECTORS,
                                   .sector_size = BLOCK_SECTOR_SIZE,
                                   .max_segments = 5,
                                   .submit = disk_submit};

static const char *block_layer(void)
{
    size_t length = DISK_SECTORS * BLOCK_SECTOR_SIZE;
    char *buffer = memalign(BLOCK_SECTOR_SIZE, length);

    disk_data = calloc(1, length);
    CHECK(buffer != NULL && disk_data != NULL);
    CHECK(block_register(&disk) == 0 && block_register(&disk) == -XEN_EEXIST);
    CHECK(block_find("ram0") == &disk && block_find("ram1") == NULL);
    for (size_t i = 0; i < length; i++) {
        buffer[i] = (char)(i * 7 + i / 512);
    }
    CHECK(block_write(&disk, 0, buffer, DISK_SECTORS) == 0);
    CHECK(memcmp(buffer, disk_data, length) == 0);
    memset(buffer, 0, length);
    CHECK(block_read(&disk, 3, buffer, 100) == 0);
    CHECK(memcmp(buffer, disk_data + 3 * 512, 100 * 512) == 0 && buffer[100 * 512] == 0);
    CHECK(block_read(&disk, DISK_SECTORS - 1, buffer, 2) == -XEN_EINVAL);
    CHECK(block_read(&disk, UINT64_MAX, buffer, 2) == -XEN_EINVAL);
    CHECK(block_read(&disk, 0, buffer + 1, 1) == -XEN_EINVAL);
    CHECK(block_flush(&disk) == 0);
    disk.readonly = true;
    CHECK(block_write(&disk, 0, buffer, 1) == -XEN_EROFS);
    block_unregister(&disk);
    CHECK(block_find("ram0") == NULL);
    free(buffer);
    free(disk_data);
    return NULL;
}

/* UDP over IPv4 from 10.0.0.1 to 10.0.0.2, ports 1 and 2, payload "abc"; sum worked out by hand. */
static const uint8_t udp_frame[] = {2,  0, 0,  0, 0, 2, 2, 0,  0,  0,  0, 1,  8,   0,   0x45,
                                    0,  0, 31, 0, 0, 0, 0, 64, 17, 0,  0, 10, 0,   0,   1,
                                    10, 0, 0,  2, 0, 1, 0, 2,  0,  11, 0, 0,  'a', 'b', 'c'};
#define UDP_START 34U
#define UDP_SUM_AT 40U

static const char *checksums(void)
{
    struct net_packet *packet = net_packet_alloc(sizeof(udp_frame));
    uint16_t start, field;
    uint8_t sum[2];
    /* Pseudo-header: 0a00 0001 0a00 0002, protocol 17, length 11. */
    uint32_t pseudo = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 17 + 11;
    uint32_t whole = pseudo + 1 + 2 + 11 + 0x6162 + 0x6300;
    uint16_t expected = (uint16_t) ~((whole & 0xffff) + (whole >> 16));

    CHECK(packet != NULL && net_packet_write(packet, 0, udp_frame, sizeof(udp_frame)));
    const uint8_t partial[2] = {(uint8_t)(pseudo >> 8), (uint8_t)pseudo};
    CHECK(net_packet_write(packet, UDP_SUM_AT, partial, 2));
    packet->checksum = NET_CHECKSUM_BLANK;
    CHECK(net_checksum_locate(packet, &start, &field));
    CHECK(start == UDP_START && field == UDP_SUM_AT);
    struct net_packet *copy = net_packet_copy(packet);
    CHECK(copy != NULL && copy->checksum == NET_CHECKSUM_BLANK);
    CHECK(net_checksum_fill(packet) && packet->checksum == NET_CHECKSUM_VALID);
    CHECK(net_packet_read(packet, UDP_SUM_AT, sum, 2));
    CHECK((sum[0] << 8 | sum[1]) == expected);
    /* The same in fragments of odd lengths. */
    copy->fragments[1] = copy->fragments[2] = copy->fragments[0];
    copy->fragments[0].length = 35;
    copy->fragments[1].address += 35;
    copy->fragments[1].length = 8;
    copy->fragments[2].address += 43;
    copy->fragments[2].length = sizeof(udp_frame) - 43;
    copy->fragment_count = 3;
    CHECK(net_checksum_fill(copy) && net_packet_read(copy, UDP_SUM_AT, sum, 2));
    CHECK((sum[0] << 8 | sum[1]) == expected);
    copy->fragment_count = 1;
    net_packet_free(copy);
    net_packet_free(packet);
    return NULL;
}

static const char *packets(void)
{
    size_t before = page_free_count();
    struct net_packet *packet = net_packet_alloc_large(10000);
    uint8_t byte = 9;

    CHECK(packet != NULL && packet->fragment_count == 3 && packet->length == 10000);
    CHECK(net_packet_write(packet, 9999, &byte, 1));
    CHECK(!net_packet_write(packet, 10000, &byte, 1));
    byte = 0;
    CHECK(net_packet_read(packet, 9999, &byte, 1) && byte == 9);
    CHECK(!net_packet_read(packet, UINT32_MAX, &byte, 2));
    net_packet_free(packet);
    CHECK(net_packet_alloc(5000) == NULL);
    CHECK(page_free_count() + 4 >= before);
    return NULL;
}

const struct selftest device_tests[] = {
    {"block_layer", block_layer},
    {"checksums",   checksums  },
    {"packets",     packets    },
    {NULL,          NULL       },
};
