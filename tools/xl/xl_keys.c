// SPDX-License-Identifier: MIT
#include <string.h>

#include "tools/xl/xl_keys.h"

#define HONOURED(name)                                                                             \
    {                                                                                              \
        name, XL_KEY_HONOURED, XL_NOTHING_NEVER, NULL                                              \
    }
#define IDLE(name)                                                                                 \
    {                                                                                              \
        name, XL_KEY_IDLE, XL_NOTHING_NEVER, NULL                                                  \
    }
#define REFUSED(name, nothing, reason)                                                             \
    {                                                                                              \
        name, XL_KEY_REFUSED, XL_NOTHING_##nothing, reason                                         \
    }

#define NO_DEVICES "devices of the machine belong to domain 0"
#define NO_BACKEND "there is no back end for such devices"
#define NO_SCREEN "there are no virtual screens; a guest has its console"
#define NO_POLICY "there is no security policy (FLASK) with labels"
#define NO_SCHEDULER "only cpu_weight and cap exist with the schedulers here"

static const struct xl_key keys[] = {
    /* what the domain is */
    HONOURED("name"),
    HONOURED("uuid"),
    HONOURED("type"),
    HONOURED("builder"),
    HONOURED("kernel"),
    HONOURED("ramdisk"),
    HONOURED("cmdline"),
    HONOURED("root"),
    HONOURED("extra"),
    HONOURED("memory"),
    HONOURED("maxmem"),
    HONOURED("vcpus"),
    HONOURED("maxvcpus"),
    HONOURED("vnuma"),
    HONOURED("disk"),
    HONOURED("vif"),
    HONOURED("on_poweroff"),
    HONOURED("on_reboot"),
    HONOURED("on_crash"),
    HONOURED("on_watchdog"),
    HONOURED("on_soft_reset"),
    /* limits and shares */
    HONOURED("cpus"),
    HONOURED("cpus_soft"),
    HONOURED("cpu_weight"),
    HONOURED("cap"),
    HONOURED("pool"),
    HONOURED("max_grant_frames"),
    HONOURED("max_grant_version"),
    HONOURED("max_maptrack_frames"),
    HONOURED("max_event_channels"),
    HONOURED("rtc_timeoffset"),
    HONOURED("tsc_mode"),
    HONOURED("passthrough"),
    HONOURED("cpuid"),
    /* what nothing here can give */
    REFUSED("period", ZERO, NO_SCHEDULER),
    REFUSED("slice", ZERO, NO_SCHEDULER),
    REFUSED("latency", ZERO, NO_SCHEDULER),
    REFUSED("extratime", ZERO, NO_SCHEDULER),
    REFUSED("nodes", ZERO, "there is one node; cpus= names processors"),
    REFUSED("bootloader", EMPTY,
            "nothing here looks into a guest's disk; name its kernel with kernel="),
    REFUSED("firmware", EMPTY,
            "name the kernel with kernel= (grub-x86_64-xen.bin is one that reads disks)"),
    REFUSED("pci", EMPTY, NO_DEVICES),
    REFUSED("usbctrl", EMPTY, NO_BACKEND),
    REFUSED("usbdev", EMPTY, NO_BACKEND),
    REFUSED("ioports", EMPTY, NO_DEVICES),
    REFUSED("iomem", EMPTY, NO_DEVICES),
    REFUSED("irqs", EMPTY, NO_DEVICES),
    REFUSED("dtdev", EMPTY, NO_DEVICES),
    REFUSED("device_tree", EMPTY, "PV guests have no device tree"),
    REFUSED("rdm", EMPTY, NO_DEVICES),
    REFUSED("e820_host", ZERO, "the machine's memory map is shown to no guest"),
    REFUSED("vtpm", EMPTY, NO_BACKEND),
    REFUSED("p9", EMPTY, NO_BACKEND),
    REFUSED("pvcalls", EMPTY, NO_BACKEND),
    REFUSED("vdispl", EMPTY, NO_BACKEND),
    REFUSED("vsnd", EMPTY, NO_BACKEND),
    REFUSED("vkb", EMPTY, NO_BACKEND),
    REFUSED("vfb", EMPTY, NO_SCREEN),
    REFUSED("virtio", EMPTY, NO_BACKEND),
    REFUSED("channel", EMPTY, NO_BACKEND),
    REFUSED("vnc", ZERO, NO_SCREEN),
    REFUSED("vif2", EMPTY, NO_BACKEND),
    REFUSED("driver_domain", ZERO, "back ends are in domain 0 only"),
    REFUSED("seclabel", EMPTY, NO_POLICY),
    REFUSED("init_seclabel", EMPTY, NO_POLICY),
    REFUSED("device_model_stubdomain_seclabel", EMPTY, NO_POLICY),
    REFUSED("msr_relaxed", ZERO, "registers that a guest may not read fault"),
    REFUSED("vpmu", ZERO, "performance counters are shown to no guest"),
    REFUSED("vmtrace_buf_kb", ZERO, "processor traces of PV guests do not exist"),
    REFUSED("timer_mode", EMPTY, "it is for HVM guests; xl refuses it for PV guests, too"),
    REFUSED("nestedhvm", ZERO, "HVM guests are not offered"),
    REFUSED("altp2m", ZERO, "HVM guests are not offered"),
    REFUSED("vuart", EMPTY, "it is for Arm"),
    /* of no meaning for PV guests, for xl neither */
    IDLE("acpi"),
    IDLE("acpi_firmware"),
    IDLE("acpi_laptop_slate"),
    IDLE("acpi_s3"),
    IDLE("acpi_s4"),
    IDLE("altp2mhvm"),
    IDLE("apic"),
    IDLE("bios"),
    IDLE("bios_path_override"),
    IDLE("boot"),
    IDLE("bootloader_args"),
    IDLE("device_model"),
    IDLE("device_model_args"),
    IDLE("device_model_args_hvm"),
    IDLE("device_model_args_pv"),
    IDLE("device_model_override"),
    IDLE("device_model_stubdomain_override"),
    IDLE("device_model_user"),
    IDLE("device_model_version"),
    IDLE("display"),
    IDLE("dm_restrict"),
    IDLE("firmware_override"),
    IDLE("gfx_passthru"),
    IDLE("gic_version"),
    IDLE("hap"),
    IDLE("hdtype"),
    IDLE("hpet"),
    IDLE("keymap"),
    IDLE("localtime"),
    IDLE("mca_caps"),
    IDLE("mmio_hole"),
    IDLE("ms_vm_genid"),
    IDLE("nographic"),
    IDLE("nomigrate"),
    IDLE("nx"),
    IDLE("oos"),
    IDLE("opengl"),
    IDLE("pae"),
    IDLE("pci_msitranslate"),
    IDLE("pci_permissive"),
    IDLE("pci_power_mgmt"),
    IDLE("pci_seize"),
    IDLE("pvshim"),
    IDLE("pvshim_cmdline"),
    IDLE("pvshim_extra"),
    IDLE("pvshim_path"),
    IDLE("rdm_mem_boundary"),
    IDLE("sdl"),
    IDLE("serial"),
    IDLE("shadow_memory"),
    IDLE("smbios"),
    IDLE("smbios_firmware"),
    IDLE("soundhw"),
    IDLE("spice"),
    IDLE("spice_clipboard_sharing"),
    IDLE("spice_image_compression"),
    IDLE("spice_streaming_video"),
    IDLE("spiceagent_mouse"),
    IDLE("spicedisable_ticketing"),
    IDLE("spicehost"),
    IDLE("spicepasswd"),
    IDLE("spiceport"),
    IDLE("spicetls_port"),
    IDLE("spiceusbredirection"),
    IDLE("spicevdagent"),
    IDLE("stdvga"),
    IDLE("stubdomain_cmdline"),
    IDLE("stubdomain_kernel"),
    IDLE("stubdomain_memory"),
    IDLE("stubdomain_ramdisk"),
    IDLE("tee"),
    IDLE("usb"),
    IDLE("usbdevice"),
    IDLE("usbversion"),
    IDLE("vendor_device"),
    IDLE("vga"),
    IDLE("videoram"),
    IDLE("viridian"),
    IDLE("vkb_device"),
    IDLE("vncdisplay"),
    IDLE("vnclisten"),
    IDLE("vncpasswd"),
    IDLE("vncunused"),
    IDLE("vncviewer"),
    IDLE("vpt_align"),
    IDLE("xauthority"),
    IDLE("xen_platform_pci"),
    IDLE("xend_suspend_evtchn_compat"),
    /* written by tools for others than xl: xm, its scripts, hosting panels */
    IDLE("bootargs"),
    IDLE("dhcp"),
    IDLE("gateway"),
    IDLE("hostname"),
    IDLE("ip"),
    IDLE("netmask"),
    IDLE("nfs_root"),
    IDLE("nfs_server"),
    IDLE("nics"),
    IDLE("restart"),
};

const struct xl_key *xl_key_list(size_t *count)
{
    *count = sizeof(keys) / sizeof(keys[0]);
    return keys;
}

const struct xl_key *xl_key_find(const char *name)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}
