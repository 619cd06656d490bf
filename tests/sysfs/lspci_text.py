# SPDX-License-Identifier: Apache-2.0
"""What `lspci -nnvvv` of pciutils 3.9.0 says about a function, put together from devbindd's decoded configuration space.

Compared line by line with lspci's own output (tests/sysfs/lspci_test.py on saved dumps, tests/vm/guest/test_70_config.py on
the devices of the test machine): a field that devbindd decodes otherwise, or does not decode at all, is a different line.
"""

import re

# Capabilities that are compared by place and title only: the text that lspci's title begins with.
TITLES = {
    "null": "Null", "agp": "AGP", "vpd": "Vital Product Data", "chswp": "CompactPCI hot-swap", "pcix": "PCI-X", "ht": "HyperTransport",
    "ccrc": "CompactPCI central resource control", "shpc": "Hot-plug capable", "agp3": "AGP3", "secdev": "Secure device",
    "sata": "SATA HBA", "ea": "Enhanced Allocation", "pwr": "Power Budgeting", "rcld": "Root Complex Link", "rcilc": "Root Complex Internal Link",
    "rcec": "Root Complex Event Collector", "mfvc": "Multi-Function Virtual Channel", "rcrb": "Root Complex Register Block",
    "mriov": "Multi-Root I/O Virtualization", "mcast": "Multicast", "dpa": "Dynamic Power Allocation", "secpci": "Secondary PCI Express",
    "pmux": "Protocol Multiplexing", "lnr": "LN Requester", "mphy": "PCI Express over M_PHY", "frs": "FRS Queueing",
    "rtr": "Readiness Time Reporting", "dlf": "Data Link Feature", "pl_16gt": "Physical Layer 16.0 GT/s",
    "lmr": "Lane Margining at the Receiver", "hierarchy_id": "Hierarchy ID", "npem": "Native PCIe Enclosure Management",
}


def flags(fields, **names):
    """`Mem+ BusMaster-`: lspci's names, each with the field it stands for. _ is a blank in a name, __ a hyphen."""
    return " ".join(f"{name}{'+' if fields[field] else '-'}" for name, field in names.items())


def flag_list(fields, *pairs):
    return " ".join(f"{name}{'+' if fields[field] else '-'}" for name, field in pairs)


def plus(value):
    return "+" if value else "-"


def number(text):
    return int(text, 16)


# --- standard capabilities


def pm(fields, _):
    caps, status, bridge = fields["capabilities"], fields["control_status"], fields["bridge"]
    events = ",".join(f"{name}{plus(caps['pme_' + name.lower()])}" for name in ("D0", "D1", "D2", "D3hot", "D3cold"))
    yield f"Power Management version {caps['version']}"
    yield (f"Flags: {flags(caps, PMEClk='pme_clock', DSI='device_specific_initialization', D1='d1', D2='d2')} "
           f"AuxCurrent={caps['aux_current_ma']}mA PME({events})")
    yield (f"Status: {status['state']} NoSoftRst{plus(status['no_soft_reset'])} PME-Enable{plus(status['pme_enable'])} "
           f"DSel={status['data_select']} DScale={status['data_scale']} PME{plus(status['pme_status'])}")
    if number(bridge["raw"]):
        yield f"Bridge: PM{plus(bridge['bus_power_clock_control'])} B3{plus(not bridge['b2_on_d3hot'])}"


def msi(fields, _):
    control = fields["control"]
    yield (f"MSI: Enable{plus(control['enable'])} Count={control['vectors_enabled']}/{control['vectors_capable']} "
           f"Maskable{plus(control['per_vector_masking'])} 64bit{plus(control['address_64bit'])}")
    yield f"Address: {fields['address'][2:]}  Data: {fields['data'][2:]}"
    if control["per_vector_masking"]:
        yield f"Masking: {fields['mask'][2:]}  Pending: {fields['pending'][2:]}"


def msix(fields, _):
    control = fields["control"]
    yield f"MSI-X: Enable{plus(control['enable'])} Count={control['table_size']} Masked{plus(control['function_mask'])}"
    yield f"Vector table: BAR={fields['table']['bar']} offset={fields['table']['offset'][2:]}"
    yield f"PBA: BAR={fields['pba']['bar']} offset={fields['pba']['offset'][2:]}"


TYPES = {
    "endpoint": "Endpoint", "legacy_endpoint": "Legacy Endpoint", "root_port": "Root Port (Slot{})", "upstream_port": "Upstream Port",
    "downstream_port": "Downstream Port (Slot{})", "pcie_to_pci_bridge": "PCI-Express to PCI/PCI-X Bridge",
    "pci_to_pcie_bridge": "PCI/PCI-X to PCI-Express Bridge (Slot{})",
    "root_complex_integrated_endpoint": "Root Complex Integrated Endpoint", "root_complex_event_collector": "Root Complex Event Collector",
}
SLOTTED = ("root_port", "downstream_port", "pci_to_pcie_bridge")
ENDPOINTS = ("endpoint", "legacy_endpoint")


def latency(nanoseconds):
    if nanoseconds is None:
        return "unlimited"
    return f"<{nanoseconds // 1000}us" if nanoseconds >= 1000 else f"<{nanoseconds}ns"


def watts(milliwatts):
    return ">600W" if milliwatts is None else f"{milliwatts / 1000:g}W"


def device_lines(fields, kind):
    caps, control, status = fields["device_capabilities"], fields["device_control"], fields["device_status"]
    line = f"DevCap:\tMaxPayload {caps['max_payload_bytes']} bytes, PhantFunc {caps['phantom_functions']}"
    if kind in ENDPOINTS:
        line += f", Latency L0s {latency(caps['l0s_acceptable_latency_ns'])}, L1 {latency(caps['l1_acceptable_latency_ns'])}"
    yield line
    line = f"\tExtTag{plus(caps['extended_tag'])}"
    if kind in (*ENDPOINTS, "upstream_port", "pcie_to_pci_bridge"):
        line += " " + flags(caps, AttnBtn="attention_button", AttnInd="attention_indicator", PwrInd="power_indicator")
    line += f" RBE{plus(caps['role_based_errors'])}"
    if kind in (*ENDPOINTS, "root_complex_integrated_endpoint"):
        line += f" FLReset{plus(caps['function_level_reset'])}"
    if kind in ("endpoint", "upstream_port", "pcie_to_pci_bridge"):
        line += f" SlotPowerLimit {watts(caps['slot_power_limit_mw'])}"
    yield line
    yield "DevCtl:\t" + flags(control, CorrErr="correctable_errors", NonFatalErr="nonfatal_errors", FatalErr="fatal_errors", UnsupReq="unsupported_requests")
    line = "\t" + flags(control, RlxdOrd="relaxed_ordering", ExtTag="extended_tag", PhantFunc="phantom_functions", AuxPwr="aux_power", NoSnoop="no_snoop")
    if kind == "pcie_to_pci_bridge":
        line += f" BrConfRtry{plus(control['bridge_configuration_retry'])}"
    if kind in (*ENDPOINTS, "root_complex_integrated_endpoint") and caps["function_level_reset"]:
        line += f" FLReset{plus(control['initiate_function_level_reset'])}"
    yield line
    yield f"\tMaxPayload {control['max_payload_bytes']} bytes, MaxReadReq {control['max_read_request_bytes']} bytes"
    yield "DevSta:\t" + flags(status, CorrErr="correctable_error", NonFatalErr="nonfatal_error", FatalErr="fatal_error",
                              UnsupReq="unsupported_request", AuxPwr="aux_power", TransPend="transactions_pending")


def compared(kind, now, most):
    if now > most:
        return " (overdriven)"
    return "" if now == most or kind in SLOTTED else " (downgraded)"


def link_lines(fields, kind):
    caps, control, status = fields["link_capabilities"], fields["link_control"], fields["link_status"]
    modes = [("L0s", caps["aspm_l0s"], caps["l0s_exit_latency_ns"]), ("L1", caps["aspm_l1"], caps["l1_exit_latency_ns"])]
    aspm = " ".join(name for name, there, _ in modes if there) or "not supported"
    line = f"LnkCap:\tPort #{caps['port_number']}, Speed {caps['max_speed'] or 'unknown'}, Width x{caps['max_width']}, ASPM {aspm}"
    if aspm != "not supported":
        line += ", Exit Latency " + ", ".join(f"{name} {latency(exit_latency)}" for name, there, exit_latency in modes if there)
    yield line
    yield "\t" + flags(caps, ClockPM="clock_power_management", Surprise="surprise_down_reporting", LLActRep="link_active_reporting",
                       BwNot="bandwidth_notification", ASPMOptComp="aspm_optionality_compliance")
    enabled = " ".join(name for name, field in (("L0s", "aspm_l0s"), ("L1", "aspm_l1")) if control[field])
    line = f"LnkCtl:\tASPM {enabled + ' Enabled' if enabled else 'Disabled'};"
    if kind in ("root_port", *ENDPOINTS, "pcie_to_pci_bridge"):
        line += f" RCB {control['read_completion_boundary_bytes']} bytes,"
    yield line + " " + flags(control, Disabled="disabled", CommClk="common_clock")
    yield "\t" + flags(control, ExtSynch="extended_synch", ClockPM="clock_power_management", AutWidDis="autonomous_width_disable",
                       BWInt="bandwidth_interrupt", AutBWInt="autonomous_bandwidth_interrupt")
    speed_now, speed_most = number(status["raw"]) & 15, number(caps["raw"]) & 15
    yield (f"LnkSta:\tSpeed {status['speed'] or 'unknown'}{compared(kind, speed_now, speed_most)}, "
           f"Width x{status['width']}{compared(kind, status['width'], caps['max_width'])}")
    yield "\t" + flags(status, TrErr="training_error", Train="training", SlotClk="slot_clock", DLActive="link_active",
                       BWMgmt="bandwidth_management", ABWMgmt="autonomous_bandwidth")


def slot_lines(fields):
    caps, control, status = fields["slot_capabilities"], fields["slot_control"], fields["slot_status"]
    yield "SltCap:\t" + flags(caps, AttnBtn="attention_button", PwrCtrl="power_controller", MRL="mrl_sensor", AttnInd="attention_indicator",
                              PwrInd="power_indicator", HotPlug="hot_plug", Surprise="hot_plug_surprise")
    yield (f"\tSlot #{caps['physical_slot']}, PowerLimit {watts(caps['slot_power_limit_mw'])}; "
           + flags(caps, Interlock="interlock", NoCompl="no_command_completed"))
    yield "SltCtl:\tEnable: " + flags(control, AttnBtn="attention_button", PwrFlt="power_fault", MRL="mrl_sensor", PresDet="presence_detect",
                                      CmdCplt="command_completed", HPIrq="hot_plug_interrupt", LinkChg="link_state_changed")
    shown = {None: "Unknown", "on": "On", "blink": "Blink", "off": "Off"}
    yield (f"\tControl: AttnInd {shown[control['attention_indicator']]}, PwrInd {shown[control['power_indicator']]}, "
           + flags(control, Power="power_controller_off", Interlock="interlock"))
    yield "SltSta:\tStatus: " + flags(status, AttnBtn="attention_button", PowerFlt="power_fault", MRL="mrl_open", CmdCplt="command_completed",
                                      PresDet="presence_detect", Interlock="interlock")
    yield "\tChanged: " + flags(status, MRL="mrl_changed", PresDet="presence_changed", LinkState="link_state_changed")


def root_lines(fields):
    control, status = fields["root_control"], fields["root_status"]
    yield f"RootCap: CRSVisible{plus(fields['root_capabilities']['crs_visible'])}"
    yield "RootCtl: " + flag_list(control, ("ErrCorrectable", "correctable_errors"), ("ErrNon-Fatal", "nonfatal_errors"), ("ErrFatal", "fatal_errors"),
                                  ("PMEIntEna", "pme_interrupt"), ("CRSVisible", "crs_visible"))
    yield f"RootSta: PME ReqID {status['pme_requester'][2:]}, {flags(status, PMEStatus='pme_status', PMEPending='pme_pending')}"


RANGES = ("", "A", "B", "AB", "BC", "ABC", "BCD", "ABCD")
SWITCH_PORTS = ("root_port", "upstream_port", "downstream_port")


def device_2_lines(fields, kind, memory_bar):
    caps, control = fields["device_capabilities_2"], fields["device_control_2"]
    ranges = caps["completion_timeout_ranges"]
    shown = "Not Supported" if not ranges else f"Range {ranges}" if ranges in RANGES else "Unknown"
    yield (f"DevCap2: Completion Timeout: {shown}, "
           + flags(caps, TimeoutDis="completion_timeout_disable", NROPrPrP="no_relaxed_ordered_passing", LTR="latency_tolerance_reporting"))
    obff = {(0, 0): "Not Supported", (1, 0): "Via message", (0, 1): "Via WAKE#", (1, 1): "Via message/WAKE#"}
    line = "\t " + flag_list(caps, ("10BitTagComp", "tag_10bit_completer"), ("10BitTagReq", "tag_10bit_requester"))
    line += f" OBFF {obff[caps['obff_message'], caps['obff_wake']]}, " + flags(caps, ExtFmt="extended_fmt", EETLPPrefix="end_end_tlp_prefix")
    if caps["end_end_tlp_prefix"]:
        line += f", MaxEETLPPrefixes {caps['max_end_end_tlp_prefixes']}"
    yield line
    reduction = ("Not Supported", "Dev Specific", "Form Factor Dev Specific", "Reserved")[caps["emergency_power_reduction"]]
    yield f"\t EmergencyPowerReduction {reduction}, EmergencyPowerReductionInit{plus(caps['emergency_power_reduction_init'])}"
    line = f"\t FRS{plus(caps['frs'])}"
    if kind == "root_port":
        line += f" LN System CLS {('Not Supported', '64byte cachelines', '128byte cachelines', 'Reserved')[caps['ln_system_cls']]},"
    if kind in ("root_port", "endpoint"):
        reserved = caps["extended_tph_completer"] and not caps["tph_completer"]
        line += " " + ("" if reserved else flags(caps, TPHComp="tph_completer", ExtTPHComp="extended_tph_completer"))
    if kind in ("root_port", "downstream_port"):
        line += f" ARIFwd{plus(caps['ari_forwarding'])}"
    yield line
    if kind in SWITCH_PORTS or memory_bar:
        line = "\t AtomicOpsCap:"
        if kind in SWITCH_PORTS:
            line += f" Routing{plus(caps['atomic_op_routing'])}"
        if kind == "root_port" or memory_bar:
            line += " " + flag_list(caps, ("32bit", "atomic_op_32bit"), ("64bit", "atomic_op_64bit"), ("128bitCAS", "cas_128bit"))
        yield line
    obff = ("Disabled", "Via message A", "Via message B", "Via WAKE#")[control["obff"]]
    line = (f"DevCtl2: Completion Timeout: {control['completion_timeout'] or 'Unknown'}, "
            + flag_list(control, ("TimeoutDis", "completion_timeout_disable"), ("LTR", "latency_tolerance_reporting"), ("10BitTagReq", "tag_10bit_requester"))
            + f" OBFF {obff},")
    if kind in ("root_port", "downstream_port"):
        line += f" ARIFwd{plus(control['ari_forwarding'])}"
    yield line
    requesters = ("root_port", *ENDPOINTS, "root_complex_integrated_endpoint")
    if kind in SWITCH_PORTS or kind in requesters:
        line = "\t AtomicOpsCtl:"
        if kind in requesters:
            line += f" ReqEn{plus(control['atomic_op_requester'])}"
        if kind in SWITCH_PORTS:
            line += f" EgressBlck{plus(control['atomic_op_egress_blocking'])}"
        yield line


PRESETS = (
    "-6dB de-emphasis, 0dB preshoot", "-3.5dB de-emphasis, 0dB preshoot", "-4.4dB de-emphasis, 0dB preshoot", "-2.5dB de-emphasis, 0dB preshoot",
    "0dB de-emphasis, 0dB preshoot", "0dB de-emphasis, 1.9dB preshoot", "0dB de-emphasis, 2.5dB preshoot", "-6.0dB de-emphasis, 3.5dB preshoot",
    "-3.5dB de-emphasis, 3.5dB preshoot", "0dB de-emphasis, 3.5dB preshoot",
)
MARGINS = ("Normal Operating Range", "800-1200mV(full-swing)/400-700mV(half-swing)", *["200-400mV(full-swing)/100-200mV(half-swing)"] * 4, "Unknown", "Unknown")
CROSSLINKS = {"unsupported": "unsupported", "upstream_port": "Upstream Port", "downstream_port": "Downstream Port", "incomplete": "incomplete"}
PRESENCES = {
    "link_down": "Link Down - Not Determined", "link_down_not_present": "Link Down - Not Present", "link_down_present": "Link Down - Present",
    "link_up_present": "Link Up - Present", "link_up_drs_received": "Link Up - Present and DRS Received", None: "Reserved",
}


def speed_range(caps):
    vector = number(caps["raw"]) >> 1 & 0x7F
    speeds = caps["supported_speeds"]
    if vector & 0x60:  # 64 GT/s is newer than lspci 3.9.0
        return "RsvdP"
    if not speeds:
        return "Unknown"
    return "2.5GT/s" if speeds[-1] == "2.5GT/s" else f"2.5-{speeds[-1]}"


def link_2_lines(fields, kind, first_function):
    caps, control, status = fields["link_capabilities_2"], fields["link_control_2"], fields["link_status_2"]
    shown = not (kind in ENDPOINTS and not first_function)
    if shown:
        if number(caps["raw"]):
            yield (f"LnkCap2: Supported Link Speeds: {speed_range(caps)}, "
                   + flag_list(caps, ("Crosslink", "crosslink"), ("Retimer", "retimer_detection"), ("2Retimers", "two_retimers_detection"), ("DRS", "device_readiness_status")))
        target = control["target_speed"] or ("2.5GT/s" if number(control["raw"]) & 15 == 0 else "Unknown")
        line = f"LnkCtl2: Target Link Speed: {target}, {flags(control, EnterCompliance='enter_compliance', SpeedDis='autonomous_speed_disable')}"
        if kind == "downstream_port":
            line += f", Selectable De-emphasis: {control['selectable_deemphasis']}"
        yield line
        yield (f"\t Transmit Margin: {MARGINS[control['transmit_margin']]}, "
               + flags(control, EnterModifiedCompliance="enter_modified_compliance", ComplianceSOS="compliance_sos"))
        preset = control["compliance_preset"]
        yield f"\t Compliance Preset/De-emphasis: {PRESETS[preset] if preset < len(PRESETS) else 'Unknown'}"
    yield (f"LnkSta2: Current De-emphasis Level: {status['current_deemphasis']}, "
           + flags(status, EqualizationComplete="equalization_complete", EqualizationPhase1="equalization_phase_1"))
    yield "\t " + flags(status, EqualizationPhase2="equalization_phase_2", EqualizationPhase3="equalization_phase_3",
                        LinkEqualizationRequest="link_equalization_request")
    line = "\t " + flag_list(status, ("Retimer", "retimer_present"), ("2Retimers", "two_retimers_present"))
    line += f" CrosslinkRes: {CROSSLINKS[status['crosslink_resolution']]}"
    if kind in SLOTTED and shown and caps["device_readiness_status"]:
        yield line + f", DRS{plus(status['drs_received'])}"
        yield f"\t DownstreamComp: {PRESENCES[status['component_presence']]}"
    else:
        yield line


def exp(fields, about):
    kind, flag_word = fields["flags"]["type"], fields["flags"]
    name = TYPES[kind].format(plus(flag_word["slot_implemented"])) if kind else f"Unknown type {number(flag_word['raw']) >> 4 & 15}"
    yield f"Express (v{flag_word['version']}) {name}, MSI {flag_word['interrupt_message']:02x}"
    yield from device_lines(fields, kind)
    link = kind not in ("root_complex_integrated_endpoint", "root_complex_event_collector")
    if link:
        yield from link_lines(fields, kind)
    if kind in SLOTTED and flag_word["slot_implemented"]:
        yield from slot_lines(fields)
    if kind in ("root_port", "root_complex_event_collector"):
        yield from root_lines(fields)
    if flag_word["version"] < 2:
        return
    yield from device_2_lines(fields, kind, about.memory_bar)
    if link:
        yield from link_2_lines(fields, kind, about.first_function)


VIRTIO = {"common_configuration": "CommonCfg", "notification": "Notify", "isr_status": "ISR", "device_configuration": "DeviceCfg"}


def vndr(fields, _):
    if "virtio_structure_type" not in fields:
        yield f"Vendor Specific Information: Len={fields['length']:02x} <?>"
        return
    yield f"Vendor Specific Information: VirtIO: {VIRTIO.get(fields['virtio_structure'], '<unknown>')}"
    line = f"BAR={fields['bar']} offset={fields['offset'][2:]} size={fields['size'][2:]}"
    yield line + (f" multiplier={fields['notify_multiplier'][2:]}" if "notify_multiplier" in fields else "")


def slotid(fields, _):
    slot = fields["expansion_slot"]
    yield f"Slot ID: {slot['slots']} slots, First{plus(slot['first_in_chassis'])}, chassis {fields['chassis']:02x}"


def dbg(fields, _):
    yield f"Debug port: BAR={fields['bar']} offset={fields['offset'][2:]}"


def ssvid(fields, _):
    vendor, device = fields["subsystem_vendor"], fields["subsystem_device"]
    yield re.compile(rf"Subsystem: .*\[{vendor}:{device}\]")


def af(fields, _):
    yield "PCI Advanced Features"
    yield "AFCap: " + flags(fields["capabilities"], TP="transactions_pending", FLR="function_level_reset")
    yield f"AFCtrl: FLR{plus(fields['control']['initiate_function_level_reset'])}"
    yield f"AFStatus: TP{plus(fields['status']['transactions_pending'])}"


# --- extended capabilities

UNCORRECTABLE = (
    ("DLP", "data_link_protocol"), ("SDES", "surprise_down"), ("TLP", "poisoned_tlp"), ("FCP", "flow_control_protocol"),
    ("CmpltTO", "completion_timeout"), ("CmpltAbrt", "completer_abort"), ("UnxCmplt", "unexpected_completion"), ("RxOF", "receiver_overflow"),
    ("MalfTLP", "malformed_tlp"), ("ECRC", "ecrc"), ("UnsupReq", "unsupported_request"), ("ACSViol", "acs_violation"),
)
CORRECTABLE = (
    ("RxErr", "receiver"), ("BadTLP", "bad_tlp"), ("BadDLLP", "bad_dllp"), ("Rollover", "replay_rollover"), ("Timeout", "replay_timeout"),
    ("AdvNonFatalErr", "advisory_nonfatal"),
)


def aer(fields, about):
    yield "Advanced Error Reporting"
    for label, register in (("UESta", "status"), ("UEMsk", "mask"), ("UESvrt", "severity")):
        yield f"{label}:\t{flag_list(fields['uncorrectable_' + register], *UNCORRECTABLE)}"
    for label, register in (("CESta", "status"), ("CEMsk", "mask")):
        yield f"{label}:\t{flag_list(fields['correctable_' + register], *CORRECTABLE)}"
    caps = fields["capabilities"]
    yield (f"AERCap:\tFirst Error Pointer: {caps['first_error']:02x}, "
           + flags(caps, ECRCGenCap="ecrc_generation_capable", ECRCGenEn="ecrc_generation_enable", ECRCChkCap="ecrc_check_capable", ECRCChkEn="ecrc_check_enable"))
    yield "\t" + flags(caps, MultHdrRecCap="multiple_header_capable", MultHdrRecEn="multiple_header_enable", TLPPfxPres="tlp_prefix_log_present",
                       HdrLogCap="completion_timeout_log_capable")
    yield "HeaderLog: " + " ".join(fields["header_log"][f"dword_{at}"][2:] for at in range(4))
    if about.port_type not in ("root_port", "root_complex_event_collector"):
        return
    yield "RootCmd: " + flags(fields["root_command"], CERptEn="correctable_enable", NFERptEn="nonfatal_enable", FERptEn="fatal_enable")
    status = fields["root_status"]
    yield "RootSta: " + flags(status, CERcvd="correctable_received", MultCERcvd="multiple_correctable_received", UERcvd="uncorrectable_received",
                              MultUERcvd="multiple_uncorrectable_received")
    yield ("\t " + flags(status, FirstFatal="first_uncorrectable_fatal", NonFatalMsg="nonfatal_received", FatalMsg="fatal_received")
           + f" IntMsg {status['interrupt_message']}")
    yield f"ErrorSrc: ERR_COR: {fields['correctable_source'][2:]} ERR_FATAL/NONFATAL: {fields['uncorrectable_source'][2:]}"


def dpc(fields, _):
    caps, control, status = fields["capabilities"], fields["control"], fields["status"]
    yield "Downstream Port Containment"
    yield (f"DpcCap:\tINT Msg #{caps['interrupt_message']}, "
           + flags(caps, RPExt="root_port_extensions", PoisonedTLP="poisoned_tlp_egress_blocking", SwTrigger="software_trigger")
           + f" RP PIO Log {caps['rp_pio_log_size']}, DL_ActiveErr{plus(caps['dl_active_err_cor'])}")
    yield (f"DpcCtl:\tTrigger:{control['trigger_enable']:x} "
           + flags(control, Cmpl="completion_control", INT="interrupt_enable", ErrCor="err_cor_enable", PoisonedTLP="poisoned_tlp_egress_blocking",
                   SwTrigger="software_trigger", DL_ActiveErr="dl_active_err_cor"))
    yield (f"DpcSta:\tTrigger{plus(status['triggered'])} Reason:{status['reason']:02x} INT{plus(status['interrupt_status'])} "
           f"RPBusy{plus(status['root_port_busy'])} TriggerExt:{status['reason_extension']:02x} RP PIO ErrPtr:{status['rp_pio_first_error']:02x}")
    yield f"Source:\t{fields['source'][2:]}"


ACS = (
    ("SrcValid", "source_validation"), ("TransBlk", "translation_blocking"), ("ReqRedir", "request_redirect"), ("CmpltRedir", "completion_redirect"),
    ("UpstreamFwd", "upstream_forwarding"), ("EgressCtrl", "egress_control"), ("DirectTrans", "direct_translated"),
)


def acs(fields, _):
    yield "Access Control Services"
    yield f"ACSCap:\t{flag_list(fields['capabilities'], *ACS)}"
    yield f"ACSCtl:\t{flag_list(fields['control'], *ACS)}"


def ari(fields, _):
    caps, control = fields["capabilities"], fields["control"]
    yield "Alternative Routing-ID Interpretation (ARI)"
    yield f"ARICap:\t{flags(caps, MFVC='mfvc_function_groups', ACS='acs_function_groups')}, Next Function: {caps['next_function']}"
    yield f"ARICtl:\t{flags(control, MFVC='mfvc_function_groups', ACS='acs_function_groups')}, Function Group: {control['function_group']}"


def ats(fields, _):
    caps, control = fields["capabilities"], fields["control"]
    yield "Address Translation Service (ATS)"
    yield f"ATSCap:\tInvalidate Queue Depth: {caps['invalidate_queue_depth'] % 32:02x}"  # 32 is written as 0
    yield f"ATSCtl:\tEnable{plus(control['enable'])}, Smallest Translation Unit: {control['smallest_translation_unit']:02x}"


def pri(fields, _):
    yield "Page Request Interface (PRI)"
    yield "PRICtl: " + flags(fields["control"], Enable="enable", Reset="reset")
    yield "PRISta: " + flags(fields["status"], RF="response_failure", UPRGI="unexpected_group_index", Stopped="stopped")
    yield f"Page Request Capacity: {fields['capacity']:08x}, Page Request Allocation: {fields['allocation']:08x}"


def pasid(fields, _):
    caps = fields["capabilities"]
    yield "Process Address Space ID (PASID)"
    yield f"PASIDCap: {flags(caps, Exec='execute_permission', Priv='privileged_mode')}, Max PASID Width: {caps['max_width']:02x}"
    yield "PASIDCtl: " + flags(fields["control"], Enable="enable", Exec="execute_permission", Priv="privileged_mode")


def sriov(fields, _):
    caps, control, array = fields["capabilities"], fields["control"], fields["migration_state_array"]
    yield "Single Root I/O Virtualization (SR-IOV)"
    yield (f"IOVCap:\t{flag_list(caps, ('Migration', 'migration'), ('10BitTagReq', 'tag_10bit_requester'))} "
           f"Interrupt Message Number: {caps['migration_interrupt_message']:03x}")
    yield "IOVCtl:\t" + flag_list(control, ("Enable", "enable"), ("Migration", "migration_enable"), ("Interrupt", "migration_interrupt"), ("MSE", "memory_space"),
                                  ("ARIHierarchy", "ari_hierarchy"), ("10BitTagReq", "tag_10bit_requester_enable"))
    yield f"IOVSta:\tMigration{plus(fields['status']['migration_status'])}"
    yield (f"Initial VFs: {fields['initial_vfs']}, Total VFs: {fields['total_vfs']}, Number of VFs: {fields['num_vfs']}, "
           f"Function Dependency Link: {fields['function_dependency_link']:02x}")
    yield f"VF offset: {fields['first_vf_offset']}, stride: {fields['vf_stride']}, Device ID: {fields['vf_device']}"
    yield f"Supported Page Size: {fields['supported_page_sizes'][2:]}, System Page Size: {fields['system_page_size'][2:]}"
    for bar in fields["bars"]:
        kind = number(bar["raw"]) >> 1 & 3  # lspci takes the reserved kinds for 64-bit ones, but shows one register
        width, prefetchable = ("64" if kind else "32"), ("" if bar["prefetchable"] else "non-")
        # For a 64-bit BAR in the last register there is no upper half; lspci takes what comes after it.
        address = r"[0-9a-f]+" if kind == 2 and bar["bar"] == 5 else bar["address"][2:]
        yield re.compile(rf"Region {bar['bar']}: Memory at {address} \({width}-bit, {prefetchable}prefetchable\)")
    yield f"VF Migration: offset: {array['offset'][2:]}, BIR: {array['bar']:x}"


def bar_size(size):
    if size is None:
        return " <unknown>"
    for exponent, unit in ((60, "EB"), (50, "PB"), (40, "TB"), (30, "GB"), (20, "MB")):
        if size >> exponent:
            return f" {size >> exponent}{unit}"
    return None


def resizable(title, fields):
    yield f"{title} Resizable BAR"
    if not 1 <= fields["bar_count"] <= 6:
        yield f"<error in resizable BAR: num_bars={fields['bar_count']} is out of specification>"
        return
    for bar in fields["bars"]:
        line = f"BAR {bar['bar']}: current size:{bar_size(bar['size'])}"
        yield line + (f", supported:{''.join(map(bar_size, bar['supported_sizes']))}" if bar["supported_sizes"] else "")


def rebar(fields, _):
    yield from resizable("Physical", fields)


def vf_rebar(fields, _):
    yield from resizable("Virtual", fields)


def tph(fields, _):
    caps = fields["capabilities"]
    yield "Transaction Processing Hints"
    for field, text in (("interrupt_vector_mode", "Interrupt vector mode supported"), ("device_specific_mode", "Device specific mode supported"),
                        ("extended_requester", "Extended requester support")):
        if caps[field]:
            yield text
    yield {"none": "No steering table available", "capability": "Steering table in TPH capability structure",
           "msix": "Steering table in MSI-X table", None: "Reserved steering table location"}[caps["steering_table"]]


def ltr(fields, _):
    yield "Latency Tolerance Reporting"
    for label, field in (("Max snoop latency", "max_snoop"), ("Max no snoop latency", "max_no_snoop")):
        nanoseconds = fields[field]["nanoseconds"]
        # lspci shows scales that are not permitted as numbers of its own making.
        yield re.compile(rf"{label}: \d+ns") if nanoseconds is None else f"{label}: {nanoseconds}ns"


def microseconds(value):
    return "<error>" if value is None else f"{value}us"


def l1ss(fields, _):
    caps, control, second = fields["capabilities"], fields["control_1"], fields["control_2"]
    names = (("PCI-PM_L1.2", "pci_pm_l1_2"), ("PCI-PM_L1.1", "pci_pm_l1_1"), ("ASPM_L1.2", "aspm_l1_2"), ("ASPM_L1.1", "aspm_l1_1"))
    timed = caps["pci_pm_l1_2"] or caps["aspm_l1_2"]
    yield "L1 PM Substates"
    yield "L1SubCap: " + flag_list(caps, *names, ("L1_PM_Substates", "l1_pm_substates"))
    if timed:
        yield f"\t  PortCommonModeRestoreTime={caps['common_mode_restore_us']}us PortTPowerOnTime={microseconds(caps['power_on_us'])}"
    yield "L1SubCtl1: " + flag_list(control, *names)
    if timed:
        threshold = control["ltr_l1_2_threshold_ns"]
        shown = f" LTR1.2_Threshold={'<error>' if threshold is None else f'{threshold}ns'}" if caps["aspm_l1_2"] else ""
        yield f"\t   T_CommonMode={control['common_mode_restore_us']}us{shown}"
    yield "L1SubCtl2:" + (f" T_PwrOn={microseconds(second['power_on_us'])}" if timed else "")


def granularity(nanoseconds, zero):
    return {0: zero, 255: "Greater than 254ns"}.get(nanoseconds, f"{nanoseconds}ns")


def ptm(fields, _):
    caps, control = fields["capabilities"], fields["control"]
    yield "Precision Time Measurement"
    yield f"PTMCap: Requester:{plus(caps['requester'])} Responder:{plus(caps['responder'])} Root:{plus(caps['root'])}"
    yield f"PTMClockGranularity: {granularity(caps['local_clock_granularity_ns'], 'Unimplemented')}"
    yield f"PTMControl: Enabled:{plus(control['enable'])} RootSelected:{plus(control['root_select'])}"
    yield f"PTMEffectiveGranularity: {granularity(control['effective_granularity_ns'], 'Unknown')}"


SELECTS = ("Fixed", "WRR32", "WRR64", "WRR128", "TWRR128", "WRR256", "??6", "??7")
PORT_SELECTS = ("Fixed", "WRR32", "WRR64", "WRR128", "??4", "??5", "??6", "??7")


def arbitration(fields, names):
    """Arbitration schemes with a name are always shown, reserved ones when set."""
    raw = number(fields["raw"])
    shown = []
    for at, name in enumerate(names):
        if not name.startswith("?"):
            shown.append(f"{name}{plus(fields[name.lower()])}")
        elif raw >> at & 1:
            shown.append(name + "+")
    return " ".join(shown)


def vc(fields, about):
    first, second = fields["port_capabilities_1"], fields["port_capabilities_2"]
    clock = "100ns" if first["reference_clock_ns"] else f"??{number(first['raw']) >> 8 & 3}"
    yield "Virtual Channel"
    yield f"Caps:\tLPEVC={first['low_priority_vc_count']} RefClk={clock} PATEntryBits={first['port_arbitration_entry_bits']}"
    yield "Arb:\t" + arbitration(second, PORT_SELECTS)
    yield f"Ctrl:\tArbSelect={PORT_SELECTS[fields['port_control']['arbitration_select']]}"
    yield f"Status:\tInProgress{plus(fields['port_status']['arbitration_in_progress'])}"
    if second["arbitration_table_offset"]:
        yield f"Port Arbitration Table [{about.offset + number(second['arbitration_table_offset']):x}] <?>"
    for at, channel in enumerate(fields["channels"]):
        caps, control, status = channel["capabilities"], channel["control"], channel["status"]
        table = caps["arbitration_table_offset"]
        yield (f"VC{at}:\tCaps:\tPATOffset={number(table) // 16 if table else 0:02x} MaxTimeSlots={caps['max_time_slots']} "
               f"RejSnoopTrans{plus(caps['reject_snoop'])}")
        yield "\tArb:\t" + arbitration(caps, SELECTS)
        yield (f"\tCtrl:\tEnable{plus(control['enable'])} ID={control['id']} ArbSelect={SELECTS[control['arbitration_select']]} "
               f"TC/VC={control['traffic_classes'][2:]}")
        yield f"\tStatus:\t{flags(status, NegoPending='negotiation_pending', InProgress='arbitration_in_progress')}"
        if table:
            yield "\tPort Arbitration Table <?>"


def dsn(fields, _):
    yield f"Device Serial Number {fields['serial_number']}"


def vsec(fields, _):
    yield f"Vendor Specific Information: ID={fields['id']} Rev={fields['revision']} Len={fields['length']:03x} <?>"


def dvsec(fields, _):
    text = f"Designated Vendor-Specific: Vendor={fields['vendor']} ID={fields['id']} Rev={fields['revision']} Len={fields['length']}"
    yield text + (": CXL" if fields["vendor"] == "1e98" and fields["length"] >= 16 else " <?>")


def doe(fields, _):
    caps, status = fields["capabilities"], fields["status"]
    yield "Data Object Exchange"
    yield f"DOECap: IntSup{plus(caps['interrupt_support'])}"
    if caps["interrupt_support"]:
        yield f"\tInterrupt Message Number {caps['interrupt_message']:03x}"
    yield f"DOECtl: IntEn{plus(fields['control']['interrupt_enable'])}"
    # lspci 3.9.0 takes the busy and the interrupt bit for the error bit.
    wrong = plus(status["busy"] or status["interrupt_status"])
    yield f"DOESta: Busy{plus(status['busy'])} IntSta{plus(status['interrupt_status'])} Error{wrong} ObjectReady{plus(status['object_ready'])}"


DECODED = {function.__name__: function for function in (
    pm, msi, msix, exp, vndr, slotid, dbg, ssvid, af, aer, dpc, acs, ari, ats, pri, pasid, sriov, rebar, vf_rebar, tph, ltr, l1ss, ptm, vc, dsn,
    vsec, dvsec, doe)}


class About:
    """What of the function beside the capability decides on lspci's text."""

    def __init__(self, config, address, memory_bar=None):
        self.first_function = address.endswith("00.0")
        bars = [bar for bar in config["header"].get("bars", []) if bar["raw"] != "0xffffffff"]
        self.memory_bar = any(bar["type"] == "memory" for bar in bars) if memory_bar is None else memory_bar
        express = [item for item in config["capabilities"] or [] if item["name"] == "exp"]
        self.port_type = express[-1]["fields"]["flags"]["type"] if express else None
        self.offset = 0


def capability_text(capability, about):
    """[first line without "Capabilities: [..] ", further lines without their two tabs]; None for the further ones: not compared."""
    about.offset = number(capability["offset"])
    name = capability["name"]
    if name in DECODED and not capability["truncated"]:
        lines = list(DECODED[name](capability["fields"], about))
        return lines if not (name == "dvsec" and lines[0].endswith("CXL")) else [lines[0], None]
    if name in TITLES:
        return [re.compile(re.escape(TITLES[name]) + ".*"), None]
    if name in DECODED:  # truncated: lspci shows what it likes
        return [re.compile(".*"), None]
    return [re.compile(rf"(Extended )?Capability ID {int(capability['id'], 16):#02x}\b.*"), None]


def place(capability):
    """How lspci writes where a capability is: [40], [100 v1]."""
    version = capability["version"]
    return f"[{capability['offset'][2:]}]" if version is None else f"[{capability['offset'][2:]} v{version}]"


COMMAND = (
    ("I/O", "io_space"), ("Mem", "memory_space"), ("BusMaster", "bus_master"), ("SpecCycle", "special_cycles"), ("MemWINV", "write_invalidate"),
    ("VGASnoop", "vga_palette_snoop"), ("ParErr", "parity_error_response"), ("Stepping", "stepping"), ("SERR", "serr"),
    ("FastB2B", "fast_back_to_back"), ("DisINTx", "interrupt_disable"),
)


def timing(status):
    return f"DEVSEL={status['devsel_timing'] or '??'}"


def header_text(header):
    """The lines about the header that depend on the configuration space alone."""
    if header["header_type"]["layout"] > 2:  # lspci shows nothing of a header that it does not know
        return
    status = header["status"]
    yield f"Control: {flag_list(header['command'], *COMMAND)}"
    yield ("Status: " + flag_list(status, ("Cap", "capabilities_list"), ("66MHz", "capable_66mhz"), ("UDF", "user_definable"), ("FastB2B", "fast_back_to_back"),
                                  ("ParErr", "master_parity_error"))
           + f" {timing(status)} "
           + flag_list(status, (">TAbort", "signaled_target_abort"), ("<TAbort", "received_target_abort"), ("<MAbort", "received_master_abort"),
                       (">SERR", "signaled_system_error"), ("<PERR", "detected_parity_error"), ("INTx", "interrupt")))
    if header["command"]["bus_master"]:
        limits = [f"{header[field] * 250}ns {name}" for field, name in (("min_grant", "min"), ("max_latency", "max")) if header.get(field)]
        line = f"Latency: {header['latency_timer']}" + (f" ({', '.join(limits)})" if limits else "")
        yield line + (f", Cache Line Size: {header['cache_line_bytes']} bytes" if header["cache_line_bytes"] else "")
    if header["header_type"]["layout"] != 1:
        return
    buses = [f"{name}={header[f'{name}_bus']:02x}" for name in ("primary", "secondary", "subordinate")]
    yield f"Bus: {', '.join(buses)}, sec-latency={header['secondary_latency_timer']}"
    second, control = header["secondary_status"], header["bridge_control"]
    yield ("Secondary status: " + flag_list(second, ("66MHz", "capable_66mhz"), ("FastB2B", "fast_back_to_back"), ("ParErr", "master_parity_error"))
           + f" {timing(second)} "
           + flag_list(second, (">TAbort", "signaled_target_abort"), ("<TAbort", "received_target_abort"), ("<MAbort", "received_master_abort"),
                       ("<SERR", "received_system_error"), ("<PERR", "detected_parity_error")))
    yield "BridgeCtl: " + flag_list(control, ("Parity", "parity_error_response"), ("SERR", "serr"), ("NoISA", "isa"), ("VGA", "vga"), ("VGA16", "vga_16bit"),
                                    ("MAbort", "master_abort"), (">Reset", "secondary_bus_reset"), ("FastB2B", "fast_back_to_back"))
    yield "\t" + flag_list(control, ("PriDiscTmr", "primary_discard_timer"), ("SecDiscTmr", "secondary_discard_timer"),
                           ("DiscTmrStat", "discard_timer_status"), ("DiscTmrSERREn", "discard_timer_serr"))


# --- comparing


def parse(text):
    """lspci -nnvvv of one device: (header lines, [(place, [title, further lines])]), without leading tabs of their level."""
    header, capabilities = [], []
    for line in text.splitlines()[1:]:
        found = re.match(r"\tCapabilities: (\[[0-9a-f]+(?: v\d+)?\]) (.*)", line)
        if found:
            capabilities.append((found[1], [found[2]]))
        elif line.startswith("\tCapabilities: "):
            capabilities.append((line[len("\tCapabilities: "):], [""]))
        elif line.startswith("\t\t") and capabilities:
            capabilities[-1][1].append(line[2:])
        elif line.startswith("\tKernel ") or not line:
            continue
        else:
            header.append(line[1:])
    return header, capabilities


def same(expected, shown):
    return bool(expected.fullmatch(shown)) if isinstance(expected, re.Pattern) else expected == shown


def differences(config, address, text, **about_options):
    """What `lspci -nnvvv` says otherwise than the decoded configuration space does: a list of texts, empty when they agree."""
    about = About(config, address, **about_options)
    header, shown = parse(text)
    found = [f"header: expected {line!r}" for line in header_text(config["header"]) if line not in header]
    lists = {"standard": config["capabilities"] or [], "extended": config["extended_capabilities"] or []}
    if not any(item["name"] in ("exp", "pcix") for item in lists["standard"]):
        lists["extended"] = []  # lspci does not look there
    pairs = []
    for name, expected in lists.items():
        theirs = [item for item in shown if (" v" in item[0]) == (name == "extended")]
        problems = {problem["code"] for problem in config["problems"] if problem["list"] == name}
        if problems & {"loop", "all_ones"}:  # lspci notices them as well
            theirs = [item for item in theirs if item[1][0] not in ("<chain looped>", "<chain broken>")]
        if problems & {"out_of_range", "truncated"}:  # lspci goes on
            theirs = theirs[:len(expected)]
        if [place(item) for item in expected] != [item[0] for item in theirs]:
            return found + [f"{name} list: ours {[place(item) for item in expected]}, lspci's {[item[0] for item in theirs]}"]
        pairs += zip(expected, theirs)
    for capability, (where, lines) in pairs:
        wanted = capability_text(capability, about)
        if wanted[-1] is None:
            wanted, lines = wanted[:-1], lines[:len(wanted) - 1]
        if len(wanted) != len(lines) or not all(map(same, wanted, lines)):
            unlike = [(a, b) for a, b in zip(wanted + [None] * len(lines), lines + [None] * len(wanted)) if (a or b) and (a is None or b is None or not same(a, b))]
            found.append(f"{where} {capability['name']}: " + "; ".join(f"ours {a!r}, lspci's {b!r}" for a, b in unlike[:3]))
    return found
