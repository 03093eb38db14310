// SPDX-License-Identifier: MIT
/*
 * virtio over PCI: finding and driving the register blocks, and the life of a device up to
 * DRIVER_OK. The queues are in virtio_queue.c.
 *
 * Registers are little-endian like this CPU. Each has to be accessed with its own width.
 */
#include "dom0/virtio.h"

#include <string.h>

#include "dom0/virtio_queue.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

/* PCI identity: modern devices are 0x1040 + type, transitional ones have types of their own. */
#define DEVICE_MODERN 0x1040U
#define DEVICE_MODERN_LAST 0x107fU
#define DEVICE_TRANSITIONAL_NET 0x1000U
#define DEVICE_TRANSITIONAL_BLOCK 0x1001U

/* Vendor capability: where a register block lies. */
#define CAPABILITY_VENDOR 0x09
#define CAPABILITY_TYPE 3U
#define CAPABILITY_BAR 4U
#define CAPABILITY_OFFSET 8U
#define CAPABILITY_LENGTH 12U
#define CAPABILITY_MULTIPLIER 16U
#define BLOCK_COMMON 1U
#define BLOCK_NOTIFY 2U
#define BLOCK_DEVICE 4U

#define STATUS_ACKNOWLEDGE 1U
#define STATUS_DRIVER 2U
#define STATUS_DRIVER_OK 4U
#define STATUS_FEATURES_OK 8U
#define STATUS_FAILED 128U

#define RESET_TIMEOUT_NS (1000 * NSEC_PER_MSEC)
#define GENERATION_TRIES 16U

unsigned int virtio_type(const struct pci_device *pci)
{
    if (pci->vendor != VIRTIO_VENDOR) {
        return 0;
    }
    if (pci->device > DEVICE_MODERN && pci->device <= DEVICE_MODERN_LAST) {
        return pci->device - DEVICE_MODERN;
    }
    switch (pci->device) {
    case DEVICE_TRANSITIONAL_NET:
        return VIRTIO_TYPE_NET;
    case DEVICE_TRANSITIONAL_BLOCK:
        return VIRTIO_TYPE_BLOCK;
    default:
        return 0;
    }
}

/* Maps the register block that the capability at `offset` describes, if it is one that we use. The
 * first of a type is the one that the device prefers. */
static int block_map(struct virtio_device *device, unsigned int offset)
{
    const struct pci_device *pci = device->pci;
    uint8_t type = pci_read8(pci, offset + CAPABILITY_TYPE);
    volatile uint8_t **block = type == BLOCK_COMMON   ? &device->common
                               : type == BLOCK_NOTIFY ? &device->notify_base
                               : type == BLOCK_DEVICE ? &device->config
                                                      : NULL;
    if (block == NULL || *block != NULL) {
        return 0;
    }
    uint32_t length = pci_read32(pci, offset + CAPABILITY_LENGTH);
    if (type == BLOCK_COMMON && length < COMMON_LENGTH) {
        return -XEN_ENXIO;
    }
    *block = pci_map_bar(pci, pci_read8(pci, offset + CAPABILITY_BAR),
                         pci_read32(pci, offset + CAPABILITY_OFFSET), length);
    if (*block == NULL) {
        return -XEN_ENXIO;
    }
    if (type == BLOCK_NOTIFY) {
        device->notify_length = length;
        device->notify_multiplier = pci_read32(pci, offset + CAPABILITY_MULTIPLIER);
    } else if (type == BLOCK_DEVICE) {
        device->config_length = length;
    }
    return 0;
}

static int blocks_map(struct virtio_device *device)
{
    unsigned int offset = 0;
    while ((offset = pci_find_capability(device->pci, CAPABILITY_VENDOR, offset)) != 0) {
        int error = block_map(device, offset);
        if (error != 0) {
            return error;
        }
    }
    return device->common != NULL && device->notify_base != NULL ? 0 : -XEN_ENXIO;
}

static void status_add(struct virtio_device *device, uint8_t bits)
{
    uint8_t status = common_read8(device, COMMON_STATUS);
    common_write8(device, COMMON_STATUS, (uint8_t)(status | bits));
}

/* The device has forgotten its queues once the status reads back as 0. */
static int device_reset(struct virtio_device *device)
{
    uint64_t deadline = time_now() + RESET_TIMEOUT_NS;
    common_write8(device, COMMON_STATUS, 0);
    while (common_read8(device, COMMON_STATUS) != 0) {
        if (time_now() > deadline) {
            return -XEN_EIO;
        }
        thread_yield();
    }
    return 0;
}

int virtio_open(struct virtio_device *device, struct pci_device *pci)
{
    memset(device, 0, sizeof(*device));
    device->pci = pci;
    device->type = virtio_type(pci);
    if (device->type == 0) {
        return -XEN_ENODEV;
    }
    pci_enable(pci);
    int error = blocks_map(device);
    if (error == 0) {
        error = device_reset(device);
    }
    if (error != 0) {
        pci_disable(pci);
        return error;
    }
    status_add(device, STATUS_ACKNOWLEDGE);
    status_add(device, STATUS_DRIVER);
    return 0;
}

int virtio_negotiate(struct virtio_device *device, uint64_t wanted, uint64_t required)
{
    common_write32(device, COMMON_DEVICE_FEATURE_SELECT, 0);
    uint64_t offered = common_read32(device, COMMON_DEVICE_FEATURE);
    common_write32(device, COMMON_DEVICE_FEATURE_SELECT, 1);
    offered |= (uint64_t)common_read32(device, COMMON_DEVICE_FEATURE) << 32;

    required |= VIRTIO_F_VERSION_1;
    if ((offered & required) != required) {
        status_add(device, STATUS_FAILED);
        return -XEN_EOPNOTSUPP;
    }
    device->features = offered & (wanted | required);
    common_write32(device, COMMON_DRIVER_FEATURE_SELECT, 0);
    common_write32(device, COMMON_DRIVER_FEATURE, (uint32_t)device->features);
    common_write32(device, COMMON_DRIVER_FEATURE_SELECT, 1);
    common_write32(device, COMMON_DRIVER_FEATURE, (uint32_t)(device->features >> 32));
    status_add(device, STATUS_FEATURES_OK);
    if ((common_read8(device, COMMON_STATUS) & STATUS_FEATURES_OK) == 0) {
        status_add(device, STATUS_FAILED);
        return -XEN_EOPNOTSUPP;
    }
    return 0;
}

int virtio_config_attach(struct virtio_device *device, event_handler *handler, void *arg)
{
    device->config_vector.entry = 0;
    int error = msix_bind(device->pci, &device->config_vector, handler, arg);
    if (error != 0) {
        return error;
    }
    common_write16(device, COMMON_CONFIG_VECTOR, 0);
    return common_read16(device, COMMON_CONFIG_VECTOR) == 0 ? 0 : -XEN_ENOSPC;
}

void virtio_start(struct virtio_device *device)
{
    for (struct virtio_queue *queue = device->queues; queue != NULL; queue = queue->next) {
        common_write16(device, COMMON_QUEUE_SELECT, queue->index);
        common_write16(device, COMMON_QUEUE_ENABLE, 1);
    }
    status_add(device, STATUS_DRIVER_OK);
}

int virtio_close(struct virtio_device *device)
{
    int error = device_reset(device);
    pci_disable(device->pci);
    msix_unbind(&device->config_vector);
    while (device->queues != NULL) {
        struct virtio_queue *queue = device->queues;
        device->queues = queue->next;
        msix_unbind(&queue->vector);
        if (error == 0) {
            virtio_queue_free(queue);
        }
    }
    if (error != 0) {
        console_printf("virtio: %s: does not reset\n", pci_name(device->pci));
    }
    return error;
}

uint8_t virtio_config_read8(const struct virtio_device *device, uint32_t offset)
{
    return device->config != NULL && offset < device->config_length ? device->config[offset] : 0;
}

uint16_t virtio_config_read16(const struct virtio_device *device, uint32_t offset)
{
    if (device->config == NULL || offset + 2 > device->config_length) {
        return 0;
    }
    return *(volatile uint16_t *)(device->config + offset);
}

uint32_t virtio_config_read32(const struct virtio_device *device, uint32_t offset)
{
    if (device->config == NULL || offset + 4 > device->config_length) {
        return 0;
    }
    return *(volatile uint32_t *)(device->config + offset);
}

uint64_t virtio_config_read64(const struct virtio_device *device, uint32_t offset)
{
    uint64_t value = 0;
    for (unsigned int i = 0; i < GENERATION_TRIES; i++) {
        uint8_t generation = common_read8(device, COMMON_GENERATION);
        value = virtio_config_read32(device, offset) |
                (uint64_t)virtio_config_read32(device, offset + 4) << 32;
        if (common_read8(device, COMMON_GENERATION) == generation) {
            break;
        }
    }
    return value;
}
