// SPDX-License-Identifier: MIT
/*
 * What virtio.c and virtio_queue.c share: the common configuration registers (virtio 1.1, section
 * 4.1.4.3). Drivers include virtio.h only.
 */
#pragma once

#include "dom0/virtio.h"

#define COMMON_DEVICE_FEATURE_SELECT 0x00U
#define COMMON_DEVICE_FEATURE 0x04U
#define COMMON_DRIVER_FEATURE_SELECT 0x08U
#define COMMON_DRIVER_FEATURE 0x0cU
#define COMMON_CONFIG_VECTOR 0x10U
#define COMMON_QUEUE_COUNT 0x12U
#define COMMON_STATUS 0x14U
#define COMMON_GENERATION 0x15U
#define COMMON_QUEUE_SELECT 0x16U
#define COMMON_QUEUE_SIZE 0x18U
#define COMMON_QUEUE_VECTOR 0x1aU
#define COMMON_QUEUE_ENABLE 0x1cU
#define COMMON_QUEUE_NOTIFY_OFFSET 0x1eU
#define COMMON_QUEUE_DESC 0x20U
#define COMMON_QUEUE_AVAIL 0x28U
#define COMMON_QUEUE_USED 0x30U
#define COMMON_LENGTH 0x38U

static inline uint8_t common_read8(const struct virtio_device *device, unsigned int offset)
{
    return device->common[offset];
}

static inline uint16_t common_read16(const struct virtio_device *device, unsigned int offset)
{
    return *(volatile uint16_t *)(device->common + offset);
}

static inline uint32_t common_read32(const struct virtio_device *device, unsigned int offset)
{
    return *(volatile uint32_t *)(device->common + offset);
}

static inline void common_write8(struct virtio_device *device, unsigned int offset, uint8_t value)
{
    device->common[offset] = value;
}

static inline void common_write16(struct virtio_device *device, unsigned int offset, uint16_t value)
{
    *(volatile uint16_t *)(device->common + offset) = value;
}

static inline void common_write32(struct virtio_device *device, unsigned int offset, uint32_t value)
{
    *(volatile uint32_t *)(device->common + offset) = value;
}

/* Frees what virtio_queue_init took; the device must not know the queue any more. */
void virtio_queue_free(struct virtio_queue *queue);
