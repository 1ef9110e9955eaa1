"""The command `xsraid`: the functions of the plugin for people, on the host itself and from
anywhere, with XAPI as the only transport.
"""
