"""The storage manager for local SRs of type lvm and ext, on the real device: the steps of
LVHDSR.py, EXTSR.py and lvutil.py of the sm project.

It wipes as silently as the real one does, and refuses only what the real one refuses. It knows
nothing of XAPI's records: what it must know comes as arguments, what it has found out is returned.
"""

import os
import subprocess
import threading

from xapi.storage_errors import plain_exception, storage_failure

LVM_PREFIX, EXT_PREFIX = "VG_XenStorage-", "XSLocalEXT-"
METADATA_VOLUME = "MGT"
RESIZE_MIN_BYTES = 100 << 20  # LVHDSR's threshold: less is taken for what aligning loses
MOUNT_BASE = "/var/run/sr-mount"
GROUP_FIGURES = ("vgs", "--noheadings", "--nosuffix", "--units", "b", "-o")
VOLUME_FREE = ("pvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "pv_free")
PROBED_SR = "\t<SR>\n\t\t<UUID>%s</UUID>\n\t\t<Devlist>%s</Devlist>\n\t\t<size>%s</size>\n\t</SR>\n"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class CommandFailed(Exception):
    """A command ended with a status other than 0."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class StorageManager:
    """faults: a Faults; log: called with a line for each command; root_device: the one with dom0 on
    it, or ""; wipefs: as from XCP-ng 8.3 on, also wipe signatures.
    """

    def __init__(self, faults, log, root_device="", wipefs=True):
        self.faults, self.log, self.root_device, self.wipefs = faults, log, root_device, wipefs
        self._lock = threading.Lock()

    def carry_out(
        self, operation, sr_uuid, sr_type, device_config, sm_config, other_device_configs
    ):
        """Carry out sr_create, sr_attach, sr_detach, sr_delete, sr_scan or sr_probe, one at a time;
        return the SR's figures, or nothing.

        device_config: of this host's PBD; other_device_configs: of this host's PBDs of other SRs.
        Raises Failure.
        """
        with self._lock:
            self.faults.before("sm." + operation)
            if "device" not in device_config:
                raise storage_failure("ConfigDeviceMissing")
            repository = REPOSITORIES[sr_type](
                self, sr_uuid, device_config["device"].split(","), sm_config, other_device_configs
            )
            try:
                answer = getattr(repository, operation)()
            except (CommandFailed, OSError) as error:
                raise plain_exception(repr(error)) from None
            self.faults.after("sm." + operation)
            return answer or {}

    def run(self, *command):
        """Return the output of a command. Raises CommandFailed."""
        status = self.faults.exit_status("sm.run." + command[0])
        errors, output = b"", b""
        if status is None:
            try:
                process = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=ENVIRONMENT,
                    cwd="/",
                )
                status, output, errors = process.returncode, process.stdout, process.stderr
            except FileNotFoundError as error:
                status, errors = 127, str(error).encode()
        self.log(
            "SM: %s → %d %s" % (" ".join(command), status, errors.decode(errors="replace").strip())
        )
        if status:
            raise CommandFailed(status)
        return output.decode(errors="replace")

    def succeeds(self, *command):
        try:
            self.run(*command)
        except CommandFailed:
            return False
        return True


class Repository:
    """What both types have in common: a volume group over the devices."""

    prefix = None

    def __init__(self, manager, sr_uuid, devices, sm_config, other_device_configs):
        self.manager, self.sr_uuid, self.devices, self.sm_config = (
            manager,
            sr_uuid,
            devices,
            sm_config,
        )
        self.other_device_configs = other_device_configs
        self.group = self.prefix + sr_uuid

    def _assert_devices_free(self):
        """Only a PBD of this host that names the same device counts as use here
        (util.test_hostPBD_devs).
        """
        taken = {
            os.path.realpath(device)
            for config in self.other_device_configs
            for device in config.get("device", "").split(",")
            if device
        }
        if any(os.path.realpath(device) in taken for device in self.devices):
            raise storage_failure("SRInUse")

    def _create_group(self):
        for device in self.devices:
            self._create_physical_volume(device)
        try:
            self.manager.run("vgcreate", self.group, self.devices[0])
            for device in self.devices[1:]:
                self.manager.run("vgextend", self.group, device)
        except CommandFailed:
            raise storage_failure("LVMGroupCreate") from None
        try:
            self.manager.run("vgchange", "-an", self.group)
        except CommandFailed as error:
            raise storage_failure("LVMUnMount", "errno is %d" % error.status) from None

    def _create_physical_volume(self, device):
        if self.manager.root_device and device in [
            self.manager.root_device + partition for partition in ("", "1", "2")
        ]:
            raise storage_failure(
                "Rootdev",
                "Device %s contains core system files, please use another device" % device,
            )
        if not os.path.exists(device):
            raise storage_failure("InvalidDev", "Device %s does not exist" % device)
        try:
            os.close(os.open(device, os.O_RDWR | os.O_EXCL))
        except OSError:
            raise storage_failure("SRInUse") from None
        zero = ["dd", "if=/dev/zero", "of=" + device, "bs=1M", "count=10"]
        if not self.manager.succeeds(*(zero + ["oflag=direct"])) and not self.manager.succeeds(
            *zero
        ):
            raise storage_failure("LVMWrite", "device %s" % device)
        if self.manager.wipefs and not self.manager.succeeds("wipefs", "-a", device):
            raise storage_failure("LVMWrite", "device %s" % device)
        try:
            self.manager.run("pvcreate", "-ff", "-y", "--metadatasize", "10M", device)
        except CommandFailed as error:
            raise storage_failure("LVMPartCreate", "error is %d" % error.status) from None

    def _assert_physical_volumes(self, missing):
        try:
            if any(self.group not in self.manager.run("pvs", device) for device in self.devices):
                raise storage_failure(missing, "volume is %s" % self.group)
        except CommandFailed as error:
            raise storage_failure("PVSfailed", "error is %d" % error.status) from None

    def _remove_group(self, *before):
        try:
            for command in before:
                self.manager.run(*command)
            self.manager.run("vgremove", self.group)
            for device in self.devices:
                self.manager.run("pvremove", device)
        except CommandFailed as error:
            raise storage_failure("LVMDelete", "errno is %d" % error.status) from None

    def _group_figures_bytes(self):
        """Return (size, free) of the volume group in bytes."""
        try:
            return [
                int(word)
                for word in self.manager.run(
                    *(GROUP_FIGURES + ("vg_size,vg_free", self.group))
                ).split()
            ]
        except CommandFailed as error:
            raise storage_failure("VDILoad", "rvgstats failed error is %d" % error.status) from None

    def sr_probe(self):
        """Return the SRs of this type on the devices, as the XML document of SR.probe."""
        found = {}
        for device in self.devices:
            try:
                name = self.manager.run("pvs", "--noheadings", "-o", "vg_name", device).strip()
            except CommandFailed:
                continue
            if name.startswith(self.prefix):
                found.setdefault(name[len(self.prefix) :], []).append(device)
        entries = ""
        for uuid, devices in found.items():
            size_bytes = self.manager.run(
                *(GROUP_FIGURES + ("vg_size", self.prefix + uuid))
            ).strip()
            entries += PROBED_SR % (uuid, ",".join(devices), size_bytes)
        return {"xml": '<?xml version="1.0" ?>\n<SRlist>\n%s</SRlist>\n' % entries}


class LvmRepository(Repository):
    """Type lvm: the volume group itself, with a small volume for metadata; VDIs are volumes in
    it.
    """

    prefix = LVM_PREFIX

    def sr_create(self):
        if self.manager.succeeds("vgs", self.group):
            raise storage_failure("SRExists")
        self._assert_devices_free()
        self._create_group()
        return {"sm_config": dict(self.sm_config, use_vhd="true")}

    def _volumes(self):
        return self.manager.run("lvs", "--noheadings", "-o", "lv_name", self.group).split()

    def sr_attach(self):
        if not self.manager.succeeds("vgs", self.group):
            raise storage_failure("SRUnavailable", "no such volume group: %s" % self.group)
        sm_config = dict(self.sm_config)
        try:
            if METADATA_VOLUME not in self._volumes() and sm_config.get("use_vhd") == "true":
                self.manager.run("lvcreate", "-y", "-n", METADATA_VOLUME, "-L", "4", self.group)
            if METADATA_VOLUME in self._volumes():
                self.manager.run("lvchange", "-ay", "%s/%s" % (self.group, METADATA_VOLUME))
                sm_config.update(use_vhd="true", allocation="thick")
        except CommandFailed as error:
            raise storage_failure(
                "MetadataError", "Error introducing Metadata Volume: %d" % error.status
            ) from None
        return dict(self.sr_scan(), sm_config=sm_config)

    def _expand(self):
        """Take what the devices have more than the volume group knows of, once that is enough; a
        failure is only logged.
        """
        devices_bytes = sum(
            int(self.manager.run("blockdev", "--getsize64", device)) for device in self.devices
        )
        if devices_bytes >= self._group_figures_bytes()[0] + RESIZE_MIN_BYTES:
            for device in self.devices:
                self.manager.succeeds("pvresize", device)

    def sr_scan(self):
        self._expand()
        size_bytes, free_bytes = self._group_figures_bytes()
        return {
            "physical_size": size_bytes,
            "physical_utilisation": size_bytes - free_bytes,
            "virtual_allocation": 0,
        }

    def sr_detach(self):
        if self.manager.succeeds("vgs", self.group) and not self.manager.succeeds(
            "vgchange", "-an", self.group
        ):
            raise plain_exception("SR detach failed, please refer to the log for details.")

    def sr_delete(self):
        if not self.manager.succeeds("vgchange", "-an", self.group):
            raise plain_exception("LVHDSR delete failed, please refer to the log for details.")
        if METADATA_VOLUME in self._volumes() and not self.manager.succeeds(
            "lvremove", "-f", "%s/%s" % (self.group, METADATA_VOLUME)
        ):
            raise storage_failure("MetadataError", "Failed to delete MGT Volume")
        if self._volumes():
            raise storage_failure("SRNotEmpty")
        self._assert_physical_volumes("LVMNoVolume")
        self._remove_group()


class ExtRepository(Repository):
    """Type ext: one volume with ext4 on it, mounted; VDIs are files."""

    prefix = EXT_PREFIX

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.volume = "/dev/%s/%s" % (self.group, self.sr_uuid)
        self.mount_point = os.path.join(MOUNT_BASE, self.sr_uuid)

    def sr_create(self):
        if os.path.ismount(self.mount_point):
            raise storage_failure("SRExists")
        self._assert_devices_free()
        if not self.manager.succeeds("vgs", self.group):
            self._create_group()
        if self.manager.succeeds("lvdisplay", self.volume):
            raise storage_failure("SRExists")
        self._create_volume()
        try:
            self.manager.run("mkfs.ext4", "-F", self.volume)
        except CommandFailed as error:
            raise storage_failure("LVMFilesystem", "mkfs failed error %d" % error.status) from None

    def _free_bytes(self):
        """Return how much the volume can have: with several devices it is striped, so the smallest
        counts.
        """
        if len(self.devices) == 1:
            return self._group_figures_bytes()[1]
        return len(self.devices) * min(
            int(self.manager.run(*(VOLUME_FREE + (device,)))) for device in self.devices
        )

    def _create_volume(self):
        size_mib = self._free_bytes() // (1 << 20)
        if size_mib <= 0:
            raise storage_failure("SRNoSpace", "Insufficient space in VG %s" % self.group)
        stripes = ["-i", str(len(self.devices)), "-I", "2048"] if len(self.devices) > 1 else []
        try:
            self.manager.run(
                "lvcreate", "-y", "-n", self.sr_uuid, *(stripes + ["-L", str(size_mib), self.group])
            )
            self.manager.run("lvchange", "-ay", self.volume)
        except CommandFailed as error:
            raise storage_failure("LVMCreate", "lv operation, error %d" % error.status) from None

    def sr_attach(self):
        if not os.path.ismount(self.mount_point):
            if not self.manager.succeeds("lvchange", "-ay", self.volume):
                raise storage_failure("LVMMount", "Unable to activate LV. Errno is 5")
            try:
                self.manager.run("fsck", "-a", self.volume)
            except CommandFailed as error:
                if error.status != 1:  # 1: errors were corrected
                    raise storage_failure(
                        "LVMMount", "FSCK failed on %s. Errno is %d" % (self.volume, error.status)
                    ) from None
            os.makedirs(self.mount_point, mode=0o700, exist_ok=True)
            try:
                self.manager.run("mount", self.volume, self.mount_point)
            except CommandFailed as error:
                raise storage_failure(
                    "FileSRCreate", "fail to mount FileSR. Errno is %d" % error.status
                ) from None
        return self.sr_scan()

    def sr_scan(self):
        figures = os.statvfs(self.mount_point)
        size_bytes = figures.f_blocks * figures.f_frsize
        return {
            "physical_size": size_bytes,
            "physical_utilisation": size_bytes - figures.f_bfree * figures.f_frsize,
            "virtual_allocation": 0,
        }

    def sr_detach(self):
        if os.path.ismount(self.mount_point):
            if not self.manager.succeeds("umount", self.mount_point):
                raise storage_failure("SRInUse")
            os.rmdir(self.mount_point)
        try:
            self.manager.run("lvchange", "-an", self.volume)
        except CommandFailed as error:
            raise storage_failure(
                "LVMUnMount", "lvm -an failed errno is %d" % error.status
            ) from None

    def sr_delete(self):
        if any(name.endswith((".vhd", ".raw", ".qcow2")) for name in os.listdir(self.mount_point)):
            raise storage_failure("SRNotEmpty")
        self.sr_detach()
        self._assert_physical_volumes("VolNotFound")
        self._remove_group(["lvremove", "-f", self.volume])


REPOSITORIES = {"lvm": LvmRepository, "ext": ExtRepository}
