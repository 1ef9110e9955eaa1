"""What xe shows of each class (records.ml): a row for each parameter, in xe's order: name, access,
field of the API, form.

Access as xe prints it: RO, RW, SRO, SRW (sets), MRO, MRW (maps); "!" marks a deprecated parameter.
Form: text, uuid, uuids, name (of a reference), map, set, tags, values (of a map). The field
"metrics.live" is the field live of the object that metrics refers to.
"""

from collections import namedtuple

Parameter = namedtuple("Parameter", "name access field form deprecated")
NOT_IN_DATABASE = "<not in database>"

# xe's class → (class of the API, parameters that CLASS-list shows; none: all)
CLASSES = {
    "host": ("host", "uuid name-label name-description"),
    "message": ("message", ""),
    "pbd": ("PBD", "uuid host-uuid sr-uuid device-config currently-attached"),
    "pool": ("pool", "uuid name-label name-description master default-SR"),
    "secret": ("secret", ""),
    "sm": ("SM", "uuid type name-label name-description vendor copyright configuration"),
    "sr": ("SR", "uuid name-label name-description host type content-type"),
    "task": ("task", "uuid name-label name-description status progress"),
    "vdi": ("VDI", "uuid name-label name-description virtual-size read-only sharable sr-uuid"),
}

# the class that a field refers to, where its uuid is looked up; None: a class that is not simulated
REFERENCES = {
    "master": "host",
    "default_SR": "SR",
    "crash_dump_SR": "SR",
    "suspend_image_SR": "SR",
    "suspend_image_sr": "SR",
    "crash_dump_sr": "SR",
    "PBDs": "PBD",
    "VDIs": "VDI",
    "host": "host",
    "SR": "SR",
    "metrics": "host_metrics",
    "control_domain": "VM",
    "resident_VMs": "VM",
    "resident_on": "host",
    "subtask_of": "task",
    "subtasks": "task",
    "introduced_by": None,
    "VBDs": None,
}

NAMED = """
    uuid                 RO   uuid                 text
    name-label           RW   name_label           text
    name-description     RW   name_description     text
"""

PARAMETERS = {
    "host": NAMED
    + """
        allowed-operations     SRO  allowed_operations   set
        current-operations     SRO  current_operations   values
        enabled                RO   enabled              text
        display                RO   display              text
        API-version-major      RO   API_version_major    text
        API-version-minor      RO   API_version_minor    text
        API-version-vendor     RO   API_version_vendor   text
        logging                MRW  logging              map
        suspend-image-sr-uuid  RW   suspend_image_sr     uuid
        crash-dump-sr-uuid     RW   crash_dump_sr        uuid
        software-version       MRO  software_version     map
        capabilities           SRO  capabilities         set
        other-config           MRW  other_config         map
        cpu_info               MRO  cpu_info             map
        hostname               RO   hostname             text
        address                RO   address              text
        memory-total           RO   metrics.memory_total text
        memory-free            RO   metrics.memory_free  text
        host-metrics-live      RO   metrics.live         text
        edition                RO   edition              text
        license-server         MRO  license_server       map
        tags                   SRW  tags                 tags
        control-domain-uuid    RO   control_domain       uuid
        resident-vms           SRO  resident_VMs         uuids
    """,
    "pool": NAMED
    + """
        master                       RO   master                       uuid
        default-SR                   RW   default_SR                   uuid
        crash-dump-SR                RW   crash_dump_SR                uuid
        suspend-image-SR             RW   suspend_image_SR             uuid
        other-config                 MRW  other_config                 map
        allowed-operations           SRO  allowed_operations           set
        current-operations           SRO  current_operations           values
        ha-enabled                   RO   ha_enabled                   text
        ha-configuration             RO   ha_configuration             map
        ha-host-failures-to-tolerate RO   ha_host_failures_to_tolerate text
        gui-config                   MRW  gui_config                   map
        restrictions                 MRO  restrictions                 map
        tags                         SRW  tags                         tags
        health-check-config          MRW  health_check_config          map
    """,
    "sr": NAMED
    + """
        host                  RO   PBDs                  host-of-sr
        allowed-operations    SRO  allowed_operations    set
        current-operations    SRO  current_operations    values
        VDIs                  SRO  VDIs                  uuids
        PBDs                  SRO  PBDs                  uuids
        virtual-allocation    RO   virtual_allocation    text
        physical-utilisation  RO   physical_utilisation  text
        physical-size         RO   physical_size         text
        type                  RO   type                  text
        content-type          RO   content_type          text
        shared                RW   shared                text
        introduced-by         RO   introduced_by         uuid
        is-tools-sr           RO   is_tools_sr           text
        other-config          MRW  other_config          map
        sm-config             MRO  sm_config             map
        blobs                 RO   blobs                 map
        local-cache-enabled   RO   local_cache_enabled   text
        tags                  SRW  tags                  tags
        clustered             RO   clustered             text
    """,
    "pbd": """
        uuid                RO   uuid                text
        host                RO!  host                uuid
        host-uuid           RO   host                uuid
        host-name-label     RO   host                name
        sr-uuid             RO   SR                  uuid
        sr-name-label       RO   SR                  name
        device-config       MRO  device_config       map
        currently-attached  RO   currently_attached  text
        other-config        MRW  other_config        map
    """,
    "vdi": NAMED
    + """
        is-a-snapshot         RO   is_a_snapshot         text
        sr-uuid               RO   SR                    uuid
        sr-name-label         RO   SR                    name
        vbd-uuids             SRO  VBDs                  uuids
        virtual-size          RO   virtual_size          text
        physical-utilisation  RO   physical_utilisation  text
        location              RO   location              text
        type                  RO   type                  text
        sharable              RO   sharable              text
        read-only             RO   read_only             text
        managed               RO   managed               text
        other-config          MRW  other_config          map
        sm-config             MRO  sm_config             map
        tags                  SRW  tags                  tags
    """,
    "message": """
        uuid       RO  uuid       text
        name       RO  name       text
        priority   RO  priority   text
        class      RO  cls        text
        obj-uuid   RO  obj_uuid   text
        timestamp  RO  timestamp  text
        body       RO  body       text
    """,
    "secret": """
        uuid          RO   uuid          text
        value         RW   value         text
        other-config  MRW  other_config  map
    """,
    "task": """
        uuid                RO   uuid                text
        name-label          RO   name_label          text
        name-description    RO   name_description    text
        subtask_of          RO   subtask_of          uuid
        subtasks            RO   subtasks            uuids
        resident-on         RO   resident_on         uuid
        status              RO   status              text
        progress            RO   progress            text
        type                RO   type                text
        result              RO   result              text
        created             RO   created             text
        finished            RO   finished            text
        error_info          RO   error_info          set
        allowed_operations  RO   allowed_operations  set
        other-config        MRW  other_config        map
    """,
    "sm": """
        uuid                  RO   uuid                  text
        name-label            RO   name_label            text
        name-description      RO   name_description      text
        type                  RO   type                  text
        vendor                RO   vendor                text
        copyright             RO   copyright             text
        required-api-version  RO   required_api_version  text
        capabilities          RO!  capabilities          set
        features              MRO  features              map
        configuration         RO   configuration         map
        driver-filename       RO   driver_filename       text
    """,
}


def parameters_of(cls):
    """Return the parameters of xe's class in order."""
    rows = [row.split() for row in PARAMETERS[cls].strip().splitlines() if row.strip()]
    return [
        Parameter(name, access.rstrip("!"), field, form, access.endswith("!"))
        for name, access, field, form in rows
    ]


def text_of(value):
    """Return a plain value as xe prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "%.3f" % value if isinstance(value, float) else str(value)


class Record:
    """One object as xe sees it; tables: looks other objects up, see Tables in xe_client.py."""

    def __init__(self, cls, ref, fields, tables):
        self.cls, self.ref, self.fields, self.tables = cls, ref, fields, tables

    def members(self, parameter):
        """Return a set's members or a map's (key, value) pairs."""
        value = self.fields[parameter.field]
        if parameter.form == "uuids":
            return [self.tables.uuid(REFERENCES[parameter.field], ref) for ref in value]
        if parameter.form == "values":
            return [item for _, item in value]
        return value

    def show(self, parameter):
        """Return the text that xe prints for a parameter."""
        field, form = parameter.field, parameter.form
        if form == "map":
            return "; ".join("%s: %s" % pair for pair in self.fields[field])
        if form in ("set", "uuids", "values", "tags"):
            return (", " if form == "tags" else "; ").join(self.members(parameter))
        if form == "uuid":
            return self.tables.uuid(REFERENCES[field], self.fields[field])
        if form == "name":
            return self.tables.name(REFERENCES[field], self.fields[field])
        if form == "host-of-sr":
            return self._host_of_sr()
        if "." in field:
            reference, inner = field.split(".")
            record = self.tables.record(REFERENCES[reference], self.fields[reference])
            return text_of(record.get(inner)) if record else NOT_IN_DATABASE
        return text_of(self.fields[field])

    def _host_of_sr(self):
        pbds = self.fields["PBDs"]
        if len(pbds) > 1:
            return "<shared>"
        record = self.tables.record("PBD", pbds[0]) if pbds else None
        return self.tables.name("host", record.get("host")) if record else NOT_IN_DATABASE
