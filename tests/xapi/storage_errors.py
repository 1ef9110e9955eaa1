"""The failures of the storage manager (XE_SR_ERRORCODES.xml) and the form in which xapi hands them
on (sm_exec.ml).
"""

from xapi.failure import Failure

ERRORS = {
    "SRInUse": (16, "The SR device is currently in use"),
    "InvalidDev": (19, "No such device"),
    "SRNotEmpty": (39, "The SR is not empty"),
    "SRExists": (42, "The SR already exists"),
    "SRNoSpace": (44, "There is insufficient space"),
    "SRUnavailable": (47, "The SR is not available"),
    "LVMCreate": (50, "Logical Volume creation error"),
    "LVMDelete": (51, "Logical Volume deletion error"),
    "LVMMount": (52, "Logical Volume mount/activate error"),
    "LVMUnMount": (53, "Logical Volume unmount/deactivate error"),
    "LVMWrite": (54, "Logical Volume write error"),
    "LVMPartCreate": (55, "Logical Volume partition creation error"),
    "LVMFilesystem": (57, "Logical Volume filesystem creation error"),
    "FileSRCreate": (61, "File SR creation error"),
    "VDILoad": (65, "Failed to load VDI"),
    "LVMGroupCreate": (77, "Logical Volume group creation failed"),
    "ConfigDeviceMissing": (90, "The request is missing the device parameter"),
    "VolNotFound": (92, "The volume cannot be found"),
    "PVSfailed": (93, "pvs failed"),
    "LVMNoVolume": (100, "Cannot find volume"),
    "Rootdev": (105, "Root system device, cannot be used for VM storage"),
    "MetadataError": (181, "Error in Metadata volume operation for SR."),
}
# Codes that xapi turns into failures of its own, without parameters.
OWN_CODES = {16: "SR_DEVICE_IN_USE", 39: "SR_NOT_EMPTY"}


def storage_failure(name, detail=None):
    """Return the Failure for one of ERRORS; detail goes into its text as the storage manager writes
    it.
    """
    number, text = ERRORS[name]
    if number in OWN_CODES:
        return Failure(OWN_CODES[number])
    return Failure(
        "SR_BACKEND_FAILURE_%d" % number, "", text + (" [opterr=%s]" % detail if detail else ""), ""
    )


def plain_exception(text):
    """Return the Failure for an exception that the storage manager did not turn into one of ERRORS:
    its process ends with status 1.
    """
    return Failure("SR_BACKEND_FAILURE", "non-zero exit", "", text)
