"""The fields of the classes that are simulated, a row each: name, access, first release, type as
the data model writes it.

Access: RO read only; SRO read only once constructed; RW writable by the class's own role (see
WRITERS) or by the one behind the colon.
test_datamodel.py holds every row against xapi's data model; VM has only the fields that a storage
plugin may want to read.
"""

# The others: pool-operator.
WRITERS = {"session": "pool-admin", "VDI": "vm-admin", "VM": "vm-admin"}

FIELDS = {
    "session": """
        uuid                             RO              rio            string
        auth_user_name                   RO              midnight-ride  string
        auth_user_sid                    RO              george         string
        client_certificate               RO              21.2.0         bool
        is_local_superuser               RO              george         bool
        last_active                      RO              rio            datetime
        originator                       RO              clearwater     string
        other_config                     RW              miami          (string -> string) map
        parent                           SRO             midnight-ride  session ref
        pool                             RO              rio            bool
        rbac_permissions                 SRO             midnight-ride  string set
        subject                          RO              george         subject ref
        tasks                            RO              midnight-ride  task ref set
        this_host                        RO              rio            host ref
        this_user                        RO              rio            user ref
        validation_time                  RO              george         datetime
    """,
    "task": """
        uuid                             RO              rio            string
        allowed_operations               RO              rio            enum task_allowed_operations set
        backtrace                        RO              dundee         string
        created                          RO              rio            datetime
        current_operations               RO              rio            (string -> enum task_allowed_operations) map
        error_info                       RO              rio            string set
        finished                         RO              rio            datetime
        name_description                 RO              rio            string
        name_label                       RO              rio            string
        other_config                     RW              miami          (string -> string) map
        progress                         RO              rio            float
        resident_on                      RO              rio            host ref
        result                           RO              rio            string
        status                           RO              rio            enum task_status_type
        subtask_of                       RO              orlando        task ref
        subtasks                         RO              orlando        task ref set
        type                             RO              rio            string
    """,
    "message": """
        uuid                             RO              orlando        string
        body                             RO              orlando        string
        cls                              RO              orlando        enum cls
        name                             RO              orlando        string
        obj_uuid                         RO              orlando        string
        priority                         RO              orlando        int
        timestamp                        RO              orlando        datetime
    """,
    "secret": """
        uuid                             RO              rio            string
        other_config                     RW              rio            (string -> string) map
        value                            RW              rio            string
    """,
    "role": """
        uuid                             RO              rio            string
        is_internal                      RO              22.5.0         bool
        name_description                 SRO             midnight-ride  string
        name_label                       SRO             midnight-ride  string
        subroles                         SRO             midnight-ride  role ref set
    """,
    "pool": """
        uuid                             RO              rio            string
        allowed_operations               RO              rio            enum pool_allowed_operations set
        blobs                            RO              orlando        (string -> blob ref) map
        client_certificate_auth_enabled  RO              1.318.0        bool
        client_certificate_auth_name     RO              1.318.0        string
        coordinator_bias                 RW              rio            bool
        cpu_info                         RO              dundee         (string -> string) map
        crash_dump_SR                    RW              rio            SR ref
        current_operations               RO              rio            (string -> enum pool_allowed_operations) map
        custom_uefi_certificates         SRO             24.0.0         string
        default_SR                       RW              rio            SR ref
        ext_auth_max_threads             SRO             23.27.0        int
        guest_agent_config               RO              dundee         (string -> string) map
        gui_config                       RW:vm-operator  orlando        (string -> string) map
        ha_allow_overcommit              RW              orlando        bool
        ha_cluster_stack                 RO              dundee         string
        ha_configuration                 RO              orlando        (string -> string) map
        ha_enabled                       RO              orlando        bool
        ha_host_failures_to_tolerate     RO              orlando        int
        ha_overcommitted                 RO              orlando        bool
        ha_plan_exists_for               RO              orlando        int
        ha_statefiles                    RO              orlando        string set
        health_check_config              RW              dundee         (string -> string) map
        igmp_snooping_enabled            RO              inverness      bool
        is_psr_pending                   RW              stockholm_psr  bool
        last_update_sync                 RO              23.18.0        datetime
        live_patching_disabled           RW              ely            bool
        local_auth_max_threads           SRO             23.27.0        int
        master                           RO              rio            host ref
        metadata_VDIs                    RO              boston         VDI ref set
        migration_compression            RW              22.33.0        bool
        name_description                 RW              rio            string
        name_label                       RW              rio            string
        other_config                     RW              rio            (string -> string) map
        policy_no_vendor_device          RW              dundee         bool
        redo_log_enabled                 RO              midnight-ride  bool
        redo_log_vdi                     RO              midnight-ride  VDI ref
        repositories                     RO              1.301.0        Repository ref set
        repository_proxy_password        RO              21.3.0         secret ref
        repository_proxy_url             RO              21.3.0         string
        repository_proxy_username        RO              21.3.0         string
        restrictions                     RO              midnight-ride  (string -> string) map
        suspend_image_SR                 RW              rio            SR ref
        tags                             RW:vm-operator  orlando        string set
        telemetry_frequency              RO              23.9.0         enum telemetry_frequency
        telemetry_next_collection        RO              23.9.0         datetime
        telemetry_uuid                   RO              23.9.0         secret ref
        tls_verification_enabled         RO              1.290.0        bool
        uefi_certificates                SRO             quebec         string
        update_sync_day                  RO              23.18.0        int
        update_sync_enabled              RO              23.18.0        bool
        update_sync_frequency            RO              23.18.0        enum update_sync_frequency
        vswitch_controller               RO              midnight-ride  string
        wlb_enabled                      RW:pool-operator+client-cert george         bool
        wlb_url                          RO              george         string
        wlb_username                     RO              george         string
        wlb_verify_cert                  RW              george         bool
    """,
    "host": """
        uuid                             RO              rio            string
        API_version_major                RO              rio            int
        API_version_minor                RO              rio            int
        API_version_vendor               RO              rio            string
        API_version_vendor_implementation RO              rio            (string -> string) map
        PBDs                             RO              rio            PBD ref set
        PCIs                             RO              boston         PCI ref set
        PGPUs                            RO              boston         PGPU ref set
        PIFs                             RO              rio            PIF ref set
        PUSBs                            RO              inverness      PUSB ref set
        address                          RW              rio            string
        allowed_operations               RO              rio            enum host_allowed_operations set
        bios_strings                     RO              midnight-ride  (string -> string) map
        blobs                            RO              orlando        (string -> blob ref) map
        capabilities                     SRO             rio            string set
        certificates                     RO              stockholm      Certificate ref set
        chipset_info                     RO              boston         (string -> string) map
        control_domain                   RO              ely            VM ref
        cpu_configuration                RO              rio            (string -> string) map
        cpu_info                         RO              midnight-ride  (string -> string) map
        crash_dump_sr                    RW              rio            SR ref
        crashdumps                       RO              rio            host_crashdump ref set
        current_operations               RO              rio            (string -> enum host_allowed_operations) map
        display                          RW              cream          enum host_display
        edition                          RO              midnight-ride  string
        editions                         RO              stockholm      string set
        enabled                          RO              rio            bool
        external_auth_configuration      RO              george         (string -> string) map
        external_auth_service_name       RO              george         string
        external_auth_type               RO              george         string
        features                         RO              falcon         Feature ref set
        guest_VCPUs_params               RW              tampa          (string -> string) map
        ha_network_peers                 RO              orlando        string set
        ha_statefiles                    RO              orlando        string set
        host_CPUs                        RO              rio            host_cpu ref set
        hostname                         RW              rio            string
        https_only                       RO              22.27.0        bool
        iscsi_iqn                        SRO             kolkata        string
        last_software_update             RO              22.20.0        datetime
        last_update_hash                 RO              24.10.0        string
        latest_synced_updates_applied    RO              23.18.0        enum latest_synced_updates_applied_state
        license_params                   RO              rio            (string -> string) map
        license_server                   RW              midnight-ride  (string -> string) map
        local_cache_sr                   SRO             cowley         SR ref
        logging                          RW              rio            (string -> string) map
        memory_overhead                  RO              rio            int
        metrics                          RO              rio            host_metrics ref
        multipathing                     SRO             kolkata        bool
        name_description                 RW              rio            string
        name_label                       RW              rio            string
        numa_affinity_policy             RO              24.0.0         enum host_numa_affinity_policy
        other_config                     RW              rio            (string -> string) map
        patches                          RO              rio            host_patch ref set
        pending_guidances                RO              1.303.0        enum update_guidances set
        pending_guidances_full           RO              24.10.0        enum update_guidances set
        pending_guidances_recommended    RO              24.10.0        enum update_guidances set
        power_on_config                  RO              midnight-ride  (string -> string) map
        power_on_mode                    RO              midnight-ride  string
        resident_VMs                     RO              rio            VM ref set
        sched_policy                     RO              rio            string
        software_version                 SRO             rio            (string -> string) map
        ssl_legacy                       SRO             dundee         bool
        supported_bootloaders            RO              rio            string set
        suspend_image_sr                 RW              rio            SR ref
        tags                             RW:vm-operator  orlando        string set
        tls_verification_enabled         RO              1.313.0        bool
        uefi_certificates                SRO             quebec         string
        updates                          RO              ely            pool_update ref set
        updates_requiring_reboot         RO              ely            pool_update ref set
        virtual_hardware_platform_versions RO              cream          int set
    """,
    "host_metrics": """
        uuid                             RO              rio            string
        last_updated                     RO              rio            datetime
        live                             RO              rio            bool
        memory_free                      RO              rio            int
        memory_total                     RO              rio            int
        other_config                     RW              orlando        (string -> string) map
    """,
    "SM": """
        uuid                             RO              rio            string
        capabilities                     RO              miami          string set
        configuration                    RO              rio            (string -> string) map
        copyright                        RO              rio            string
        driver_filename                  RO              orlando        string
        features                         RO              clearwater     (string -> int) map
        name_description                 RO              rio            string
        name_label                       RO              rio            string
        other_config                     RW              miami          (string -> string) map
        required_api_version             RO              rio            string
        required_cluster_stack           RO              dundee         string set
        type                             RO              rio            string
        vendor                           RO              rio            string
        version                          RO              rio            string
    """,
    "SR": """
        uuid                             RO              rio            string
        PBDs                             RO              rio            PBD ref set
        VDIs                             RO              rio            VDI ref set
        allowed_operations               RO              rio            enum storage_operations set
        blobs                            RO              orlando        (string -> blob ref) map
        clustered                        RO              dundee         bool
        content_type                     SRO             rio            string
        current_operations               RO              rio            (string -> enum storage_operations) map
        introduced_by                    RO              boston         DR_task ref
        is_tools_sr                      RO              dundee         bool
        local_cache_enabled              RO              cowley         bool
        name_description                 SRO             rio            string
        name_label                       SRO             rio            string
        other_config                     RW              rio            (string -> string) map
        physical_size                    SRO             rio            int
        physical_utilisation             RO              rio            int
        shared                           RO              rio            bool
        sm_config                        RW              miami          (string -> string) map
        tags                             RW:vm-operator  orlando        string set
        type                             SRO             rio            string
        virtual_allocation               RO              rio            int
    """,
    "PBD": """
        uuid                             RO              rio            string
        SR                               SRO             rio            SR ref
        currently_attached               RO              rio            bool
        device_config                    SRO             rio            (string -> string) map
        host                             SRO             rio            host ref
        other_config                     RW              miami          (string -> string) map
    """,
    "VDI": """
        uuid                             RO              rio            string
        SR                               SRO             rio            SR ref
        VBDs                             RO              rio            VBD ref set
        allow_caching                    RO              cowley         bool
        allowed_operations               RO              rio            enum vdi_operations set
        cbt_enabled                      RO              inverness      bool
        crash_dumps                      RO              rio            crashdump ref set
        current_operations               RO              rio            (string -> enum vdi_operations) map
        is_a_snapshot                    RO              orlando        bool
        is_tools_iso                     RO              dundee         bool
        location                         RO              miami          string
        managed                          RO              rio            bool
        metadata_latest                  RO              boston         bool
        metadata_of_pool                 RO              boston         pool ref
        missing                          RO              rio            bool
        name_description                 SRO             rio            string
        name_label                       SRO             rio            string
        on_boot                          RO              cowley         enum on_boot
        other_config                     RW              rio            (string -> string) map
        parent                           RO              rio            VDI ref
        physical_utilisation             RO              rio            int
        read_only                        SRO             rio            bool
        sharable                         SRO             rio            bool
        sm_config                        RW              miami          (string -> string) map
        snapshot_of                      RO              orlando        VDI ref
        snapshot_time                    RO              orlando        datetime
        snapshots                        RO              orlando        VDI ref set
        storage_lock                     RO              rio            bool
        tags                             RW:vm-operator  orlando        string set
        type                             SRO             rio            enum vdi_type
        virtual_size                     SRO             rio            int
        xenstore_data                    RW              miami          (string -> string) map
    """,
    "VM": """
        uuid                             RO              rio            string
        VCPUs_max                        SRO             rio            int
        affinity                         RW:vm-power-admin rio            host ref
        domid                            RO              rio            int
        is_a_snapshot                    RO              orlando        bool
        is_a_template                    RW              rio            bool
        is_control_domain                RO              rio            bool
        memory_dynamic_max               SRO             rio            int
        memory_static_max                SRO             rio            int
        name_description                 RW              rio            string
        name_label                       RW              rio            string
        other_config                     RW              rio            (string -> string) map
        power_state                      SRO             rio            enum vm_power_state
        resident_on                      RO              rio            host ref
        tags                             RW:vm-operator  orlando        string set
    """,
}
