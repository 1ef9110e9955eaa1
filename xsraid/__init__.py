"""Software RAID for XenServer and XCP-ng hosts: the package behind the XAPI host plugin
`xsraid`.
"""

__version__ = "0.3.0"
