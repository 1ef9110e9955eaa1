"""The messages of SR, PBD and VDI: records here, the device by the storage manager of the host
concerned (xapi_sr.ml, xapi_pbd.ml).
"""

import uuid as uuids

from xapi import values
from xapi.api_fields import stored
from xapi.api_objects import add_message, record_field
from xapi.failure import Failure

MAP = "(string -> string) map"
TYPES = ["ext", "lvm"]


def _driver(database, sr_type):
    if sr_type not in TYPES:
        raise Failure("SR_UNKNOWN_DRIVER", sr_type)


def _storage(call, pbd, operation):
    """Let the host of a PBD carry out an operation of the storage manager on its SR; return the
    SR's figures.
    """
    database = call.database
    with database.lock:
        host, sr = database.read("PBD", pbd, "host"), database.read("PBD", pbd, "SR")
        pbds_here = [database.get("PBD", other) for other in database.where("PBD", host=host)]
        others = [record["device_config"] for record in pbds_here if record["SR"] != sr]
        arguments = {
            "sr_uuid": database.read("SR", sr, "uuid"),
            "sr_type": database.read("SR", sr, "type"),
            "device_config": database.read("PBD", pbd, "device_config"),
            "sm_config": database.read("SR", sr, "sm_config"),
            "other_device_configs": others,
        }
    _driver(database, arguments["sr_type"])
    return call.xapi.runner(host).storage(operation, arguments)


def _keep_figures(database, sr, answer):
    if answer:
        database.write("SR", sr, **answer)


def _add_sr(call, uuid, label, description, sr_type, content_type, shared, sm_config):
    with call.database.lock:
        if uuid and call.database.where("SR", uuid=uuid):
            raise Failure("SR_UUID_EXISTS", uuid)
        return call.database.create(
            "SR",
            uuid=uuid or str(uuids.uuid4()),
            name_label=label,
            name_description=description,
            type=sr_type.lower(),
            content_type=content_type,
            shared=shared,
            sm_config=stored(sm_config),
            physical_size=-1,
            physical_utilisation=-1,
        )


def create_sr(
    call,
    host,
    device_config,
    size_bytes,
    label,
    description,
    sr_type,
    content_type,
    shared,
    sm_config,
):
    """After a failure the records go; what the storage manager has done to the disk stays done."""
    database = call.database
    database.get("host", host)
    _driver(database, sr_type.lower())
    sr = _add_sr(call, "", label, description, sr_type, content_type, shared, sm_config or {})
    hosts = database.all("host") if shared else [host]
    pbds = [_add_pbd(call, each, sr, stored(device_config), {}) for each in hosts]
    try:
        _keep_figures(database, sr, _storage(call, pbds[hosts.index(host)], "sr_create"))
    except Failure:
        database.destroy("SR", sr)
        for pbd in pbds:
            database.destroy("PBD", pbd)
        raise
    for pbd in pbds:
        try:
            plug(call, pbd)
        except Failure as failure:
            call.xapi.log("could not plug the PBD of a new SR: %s" % failure.description)
    return sr


def make_sr(call, *arguments):
    raise Failure("MESSAGE_DEPRECATED")


def introduce_sr(call, uuid, label, description, sr_type, content_type, shared, sm_config):
    return _add_sr(call, uuid, label, description, sr_type, content_type, shared, sm_config or {})


def probe_sr(call, host, device_config, sr_type, sm_config):
    _driver(call.database, sr_type.lower())
    arguments = {
        "sr_uuid": "",
        "sr_type": sr_type.lower(),
        "device_config": stored(device_config),
        "sm_config": {},
        "other_device_configs": [],
    }
    return call.xapi.runner(host).storage("sr_probe", arguments)["xml"]


def _pbds(call, sr, attached=None):
    pbds = call.database.read("SR", sr, "PBDs")
    return [
        pbd
        for pbd in pbds
        if attached is None or call.database.read("PBD", pbd, "currently_attached") == attached
    ]


def _assert_detached(call, sr):
    if _pbds(call, sr, attached=True):
        raise Failure("SR_HAS_PBD", sr)


def _drop_records(call, sr):
    database = call.database
    with database.lock:
        for cls in ("PBD", "VDI"):
            for ref in database.where(cls, SR=sr):
                database.destroy(cls, ref)
        database.destroy("SR", sr)


def forget_sr(call, sr):
    _assert_detached(call, sr)
    _drop_records(call, sr)


def destroy_sr(call, sr):
    _assert_detached(call, sr)
    pbds = _pbds(call, sr)
    if not pbds:
        raise Failure("SR_NO_PBDS", sr)
    if any(
        call.database.read("VDI", vdi, "managed") for vdi in call.database.read("SR", sr, "VDIs")
    ):
        raise Failure("SR_NOT_EMPTY")
    if call.database.read("SR", sr, "other_config").get("indestructible") == "true":
        raise Failure("SR_INDESTRUCTIBLE", sr)
    _storage(call, pbds[0], "sr_attach")  # storage_access.ml attaches before it deletes
    try:
        _storage(call, pbds[0], "sr_delete")
    except Failure:
        _detach_again(call, pbds[0])
        raise
    _drop_records(call, sr)


def _detach_again(call, pbd):
    try:
        _storage(call, pbd, "sr_detach")
    except Failure as failure:
        call.xapi.log("could not detach an SR that was not destroyed: %s" % failure.description)


def scan_sr(call, sr):
    pbds = _pbds(call, sr, attached=True)
    if not pbds:
        raise Failure("SR_NO_PBDS", sr)
    _keep_figures(call.database, sr, _storage(call, pbds[0], "sr_scan"))


def supported_types(call):
    return TYPES


def _sr_setter(field):
    def set_field(call, sr, value):
        call.database.write("SR", sr, **{field: value})

    return set_field


def set_shared(call, sr, value):
    pbds = _pbds(call, sr)
    if not value and len(pbds) > 1:
        raise Failure("SR_HAS_MULTIPLE_PBDS", *pbds)
    call.database.write("SR", sr, shared=value)


def _add_pbd(call, host, sr, device_config, other_config):
    database = call.database
    with database.lock:
        database.get("SR", sr)
        database.get("host", host)
        existing = database.where("PBD", SR=sr, host=host)
        if existing:
            raise Failure("PBD_EXISTS", sr, host, existing[0])
        if "SRmaster" in device_config:
            raise Failure(
                "VALUE_NOT_SUPPORTED",
                "SRmaster",
                device_config["SRmaster"],
                "This key is for internal use only",
            )
        return database.create(
            "PBD", SR=sr, host=host, device_config=device_config, other_config=other_config
        )


def create_pbd(call, record):
    host, sr = record_field(record, "host", "host ref"), record_field(record, "SR", "SR ref")
    return _add_pbd(
        call,
        host,
        sr,
        record_field(record, "device_config", MAP),
        record_field(record, "other_config", MAP, {}),
    )


def destroy_pbd(call, pbd):
    if call.database.read("PBD", pbd, "currently_attached"):
        raise Failure("OPERATION_NOT_ALLOWED", "PBD is currently attached")
    call.database.destroy("PBD", pbd)


def plug(call, pbd):
    database = call.database
    if database.read("PBD", pbd, "currently_attached"):
        return
    sr = database.read("PBD", pbd, "SR")
    elsewhere = _pbds(call, sr, attached=True)
    if elsewhere and not database.read("SR", sr, "shared"):
        raise Failure("SR_NOT_SHARABLE", sr, database.read("PBD", elsewhere[0], "host"))
    answer = _storage(call, pbd, "sr_attach")
    database.write("PBD", pbd, currently_attached=True)
    _keep_figures(database, sr, answer)


def unplug(call, pbd):
    if call.database.read("PBD", pbd, "currently_attached"):
        _storage(call, pbd, "sr_detach")
        call.database.write("PBD", pbd, currently_attached=False)


def set_device_config(call, pbd, value):
    call.database.write("PBD", pbd, device_config=stored(value))


def plug_all(call, host):
    """Plug every PBD of a host that has just started; a failure leaves it unplugged and is told in
    one message (create_storage.ml).
    """
    database, failures = call.database, []
    for pbd in database.where("PBD", host=host):
        database.write("PBD", pbd, currently_attached=False)
        try:
            plug(call, pbd)
        except Failure as failure:
            failures.append(failure)
            call.xapi.log("could not plug PBD %s: %s" % (pbd, failure.description))
    if failures:
        add_message(
            database,
            "PBD_PLUG_FAILED_ON_SERVER_START",
            3,
            "Host",
            database.read("host", host, "uuid"),
            "",
        )


def create_vdi(call, record):
    """A record only: no volume is made. It is enough for an SR not to be empty and for its VDIs to
    be counted.
    """
    sr = record_field(record, "SR", "SR ref")
    if not _pbds(call, sr, attached=True):
        raise Failure("SR_NO_PBDS", sr)
    uuid = str(uuids.uuid4())
    size_bytes = record_field(record, "virtual_size", "int")
    return call.database.create(
        "VDI",
        uuid=uuid,
        location=uuid,
        SR=sr,
        virtual_size=size_bytes,
        managed=True,
        type=record_field(record, "type", "enum vdi_type"),
        sharable=record_field(record, "sharable", "bool"),
        read_only=record_field(record, "read_only", "bool"),
        other_config=record_field(record, "other_config", MAP),
        name_label=record_field(record, "name_label", "string", ""),
        snapshot_time=values.NEVER,
        name_description=record_field(record, "name_description", "string", ""),
    )


def destroy_vdi(call, vdi):
    call.database.destroy("VDI", vdi)


METHODS = {
    "SR.create": create_sr,
    "SR.make": make_sr,
    "SR.introduce": introduce_sr,
    "SR.probe": probe_sr,
    "SR.forget": forget_sr,
    "SR.destroy": destroy_sr,
    "SR.scan": scan_sr,
    "SR.update": scan_sr,
    "SR.get_supported_types": supported_types,
    "SR.set_name_label": _sr_setter("name_label"),
    "SR.set_name_description": _sr_setter("name_description"),
    "SR.set_physical_size": _sr_setter("physical_size"),
    "SR.set_shared": set_shared,
    "PBD.create": create_pbd,
    "PBD.destroy": destroy_pbd,
    "PBD.plug": plug,
    "PBD.unplug": unplug,
    "PBD.set_device_config": set_device_config,
    "VDI.create": create_vdi,
    "VDI.destroy": destroy_vdi,
    "VDI.forget": destroy_vdi,
}
