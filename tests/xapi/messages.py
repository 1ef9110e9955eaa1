"""The messages that do more than read or write one field, a row each: name, lowest role, first
release, result, parameters after the session.

A "?" marks a parameter that may be left out. Getters and setters of fields follow from fields.py;
see model.py.
test_datamodel.py holds every row against xapi's data model.
"""

# class → (lowest role, release, its object messages)
OBJECT_MESSAGES = {
    "session": ("read-only", "rio", "get_by_uuid get_record"),
    "task": (
        "read-only",
        "rio",
        "get_all get_all_records get_by_uuid get_by_name_label get_record",
    ),
    "message": (
        "read-only",
        "orlando",
        "get_all get_all_records get_all_records_where get_by_uuid get_record",
    ),
    "secret": ("pool-operator", "midnight-ride", "get_all get_all_records get_by_uuid get_record"),
    "role": (
        "read-only",
        "midnight-ride",
        "get_all get_all_records get_by_uuid get_by_name_label get_record",
    ),
    "pool": ("read-only", "rio", "get_all get_all_records get_by_uuid get_record"),
    "host": (
        "read-only",
        "rio",
        "get_all get_all_records get_by_uuid get_by_name_label get_record",
    ),
    "host_metrics": ("read-only", "rio", "get_all get_all_records get_by_uuid get_record"),
    "SM": ("read-only", "rio", "get_all get_all_records get_by_uuid get_by_name_label get_record"),
    "SR": ("read-only", "rio", "get_all get_all_records get_by_uuid get_by_name_label get_record"),
    "PBD": ("read-only", "rio", "get_all get_all_records get_by_uuid get_record"),
    "VDI": ("read-only", "rio", "get_all get_all_records get_by_uuid get_by_name_label get_record"),
    "VM": ("read-only", "rio", "get_all get_all_records get_by_uuid get_by_name_label get_record"),
}

MAP = "(string -> string) map"
RECORDS = "(message ref -> message record) map"
SR_NAMES = "name_label: string, name_description: string, type: string, content_type: string"

MESSAGES = """
session.login_with_password | read-only | rio | session ref | uname: string, pwd: string, ?version: string, ?originator: string
session.logout | read-only | rio | void |
session.local_logout | pool-admin | miami | void |
session.slave_local_login_with_password | pool-admin | miami | session ref | uname: string, pwd: string

task.create | read-only | rio | task ref | label: string, description: string
task.destroy | read-only | rio | void | self: task ref
task.cancel | read-only | rio | void | task: task ref
task.set_status | read-only | falcon | void | self: task ref, value: enum task_status_type
task.set_progress | read-only | stockholm | void | self: task ref, value: float
task.set_result | read-only | 21.3.0 | void | self: task ref, value: string
task.set_error_info | read-only | 21.3.0 | void | self: task ref, value: string set

message.create | pool-operator | orlando | message ref | name: string, priority: int, cls: enum cls, obj_uuid: string, body: string
message.destroy | pool-operator | orlando | void | self: message ref
message.destroy_many | pool-operator | 22.19.0 | void | messages: message ref set
message.get | read-only | orlando | {RECORDS} | cls: enum cls, obj_uuid: string, since: datetime
message.get_since | read-only | orlando | {RECORDS} | since: datetime

secret.create | pool-operator | midnight-ride | secret ref | args: secret record
secret.destroy | pool-operator | midnight-ride | void | self: secret ref
secret.get_uuid | pool-operator | rio | string | self: secret ref
secret.get_value | pool-operator | rio | string | self: secret ref

pool.sync_database | pool-operator | rio | void |

host.call_plugin | pool-admin | orlando | string | host: host ref, plugin: string, fn: string, args: {MAP}
host.enable | pool-operator+client-cert | rio | void | host: host ref
host.disable | pool-operator+client-cert | rio | void | host: host ref
host.get_servertime | read-only | orlando | datetime | host: host ref

SR.create | pool-operator | rio | SR ref | host: host ref, device_config: {MAP}, physical_size: int, {SR_NAMES}, shared: bool, ?sm_config: {MAP}
SR.make | pool-operator | rio | string | host: host ref, device_config: {MAP}, physical_size: int, {SR_NAMES}, ?sm_config: {MAP}
SR.introduce | pool-operator | rio | SR ref | uuid: string, {SR_NAMES}, shared: bool, ?sm_config: {MAP}
SR.probe | pool-operator | miami | string | host: host ref, device_config: {MAP}, type: string, ?sm_config: {MAP}
SR.forget | pool-operator | rio | void | sr: SR ref
SR.destroy | pool-operator | rio | void | sr: SR ref
SR.scan | vm-power-admin | rio | void | sr: SR ref
SR.update | pool-operator | symc | void | sr: SR ref
SR.get_supported_types | read-only | rio | string set |
SR.set_name_label | pool-operator | rio | void | sr: SR ref, value: string
SR.set_name_description | pool-operator | rio | void | sr: SR ref, value: string
SR.set_shared | pool-operator | rio | void | sr: SR ref, value: bool
SR.set_physical_size | pool-operator | miami | void | self: SR ref, value: int

PBD.create | pool-operator | rio | PBD ref | args: PBD record
PBD.destroy | pool-operator | rio | void | self: PBD ref
PBD.plug | pool-operator | rio | void | self: PBD ref
PBD.unplug | pool-operator | rio | void | self: PBD ref
PBD.set_device_config | pool-operator | miami | void | self: PBD ref, value: {MAP}

VDI.create | vm-admin | rio | VDI ref | args: VDI record
VDI.destroy | vm-admin | rio | void | self: VDI ref
VDI.forget | vm-admin | rio | void | vdi: VDI ref

event.from | read-only | boston | an event batch | classes: string set, token: string, timeout: float
event.get_current_id | read-only | rio | int |
""".format(MAP=MAP, RECORDS=RECORDS, SR_NAMES=SR_NAMES)

# enumerations that parameters of these messages use
ENUMS = {
    "cls": ["VM", "Host", "SR", "Pool", "VMPP", "VMSS", "PVS_proxy", "VDI", "Certificate"],
    "task_status_type": ["pending", "success", "failure", "cancelling", "cancelled"],
    "vdi_type": [
        "system",
        "user",
        "ephemeral",
        "suspend",
        "crashdump",
        "ha_statefile",
        "metadata",
        "redo_log",
        "rrd",
        "pvs_cache",
        "cbt_metadata",
    ],
    "host_display": ["enabled", "disable_on_reboot", "disabled", "enable_on_reboot"],
}
