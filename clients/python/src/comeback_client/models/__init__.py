"""Contains all the data models used in inputs/outputs"""

from .attempt import Attempt
from .attempt_line import AttemptLine
from .attempts import Attempts
from .block import Block
from .block_lifted_by import BlockLiftedBy
from .block_params import BlockParams
from .cause import Cause
from .charger import Charger
from .charger_line import ChargerLine
from .charger_page import ChargerPage
from .charger_registered_answer import ChargerRegisteredAnswer
from .charger_registered_answer_security_profile import (
    ChargerRegisteredAnswerSecurityProfile,
)
from .charger_shown import ChargerShown
from .charger_shown_security_profile import ChargerShownSecurityProfile
from .charger_sort import ChargerSort
from .charger_state import ChargerState
from .charger_wanted import ChargerWanted
from .charger_wanted_security_profile import ChargerWantedSecurityProfile
from .chargers import Chargers
from .compared_connector import ComparedConnector
from .confidence import Confidence
from .connectivity import Connectivity
from .connector import Connector
from .escalation import Escalation
from .evidence_item import EvidenceItem
from .evidence_item_params import EvidenceItemParams
from .evidence_kind import EvidenceKind
from .field_error import FieldError
from .fleet_outcome import FleetOutcome
from .group import Group
from .group_of_mine import GroupOfMine
from .group_page import GroupPage
from .group_plan_shown import GroupPlanShown
from .group_shown import GroupShown
from .group_wanted import GroupWanted
from .harder_reset import HarderReset
from .harder_reset_after import HarderResetAfter
from .health import Health
from .import_ import Import
from .import_chargers_item import ImportChargersItem
from .import_result import ImportResult
from .interrupted import Interrupted
from .language_wanted import LanguageWanted
from .list_restarts_state_type_0 import ListRestartsStateType0
from .login_answer import LoginAnswer
from .login_request import LoginRequest
from .mark import Mark
from .me import Me
from .member import Member
from .member_page import MemberPage
from .member_shown import MemberShown
from .missing_link import MissingLink
from .model import Model
from .model_page import ModelPage
from .new_password import NewPassword
from .ocpp_answer import OcppAnswer
from .ocpp_answer_payload import OcppAnswerPayload
from .ocpp_call import OcppCall
from .ocpp_call_payload import OcppCallPayload
from .outcome import Outcome
from .password_over_ocpp import PasswordOverOcpp
from .plan import Plan
from .plan_page import PlanPage
from .plan_shown import PlanShown
from .plan_wanted import PlanWanted
from .policy_shown import PolicyShown
from .policy_wanted import PolicyWanted
from .problem import Problem
from .problem_field import ProblemField
from .refusal_reason import RefusalReason
from .registration import Registration
from .registration_wanted import RegistrationWanted
from .restart import Restart
from .restart_possible_item import RestartPossibleItem
from .restart_request import RestartRequest
from .role import Role
from .role_wanted import RoleWanted
from .row_result import RowResult
from .says import Says
from .says_params import SaysParams
from .security_event import SecurityEvent
from .security_event_named_by import SecurityEventNamedBy
from .security_events import SecurityEvents
from .spread import Spread
from .status import Status
from .stranger import Stranger
from .strangers import Strangers
from .strength import Strength
from .timeline_step import TimelineStep
from .user_added import UserAdded
from .user_page import UserPage
from .user_shown import UserShown
from .user_wanted import UserWanted
from .usual import Usual
from .usual_basis import UsualBasis
from .verdict_view import VerdictView
from .verdict_view_next import VerdictViewNext
from .verdict_view_params import VerdictViewParams
from .when import When
from .withdrawn import Withdrawn
from .withdrawn_answer_type_0 import WithdrawnAnswerType0

__all__ = (
    "Attempt",
    "AttemptLine",
    "Attempts",
    "Block",
    "BlockLiftedBy",
    "BlockParams",
    "Cause",
    "Charger",
    "ChargerLine",
    "ChargerPage",
    "ChargerRegisteredAnswer",
    "ChargerRegisteredAnswerSecurityProfile",
    "ChargerShown",
    "ChargerShownSecurityProfile",
    "ChargerSort",
    "ChargerState",
    "ChargerWanted",
    "ChargerWantedSecurityProfile",
    "Chargers",
    "ComparedConnector",
    "Confidence",
    "Connectivity",
    "Connector",
    "Escalation",
    "EvidenceItem",
    "EvidenceItemParams",
    "EvidenceKind",
    "FieldError",
    "FleetOutcome",
    "Group",
    "GroupOfMine",
    "GroupPage",
    "GroupPlanShown",
    "GroupShown",
    "GroupWanted",
    "HarderReset",
    "HarderResetAfter",
    "Health",
    "Import",
    "ImportChargersItem",
    "ImportResult",
    "Interrupted",
    "LanguageWanted",
    "ListRestartsStateType0",
    "LoginAnswer",
    "LoginRequest",
    "Mark",
    "Me",
    "Member",
    "MemberPage",
    "MemberShown",
    "MissingLink",
    "Model",
    "ModelPage",
    "NewPassword",
    "OcppAnswer",
    "OcppAnswerPayload",
    "OcppCall",
    "OcppCallPayload",
    "Outcome",
    "PasswordOverOcpp",
    "Plan",
    "PlanPage",
    "PlanShown",
    "PlanWanted",
    "PolicyShown",
    "PolicyWanted",
    "Problem",
    "ProblemField",
    "RefusalReason",
    "Registration",
    "RegistrationWanted",
    "Restart",
    "RestartPossibleItem",
    "RestartRequest",
    "Role",
    "RoleWanted",
    "RowResult",
    "Says",
    "SaysParams",
    "SecurityEvent",
    "SecurityEventNamedBy",
    "SecurityEvents",
    "Spread",
    "Status",
    "Stranger",
    "Strangers",
    "Strength",
    "TimelineStep",
    "UserAdded",
    "UserPage",
    "UserShown",
    "UserWanted",
    "Usual",
    "UsualBasis",
    "VerdictView",
    "VerdictViewNext",
    "VerdictViewParams",
    "When",
    "Withdrawn",
    "WithdrawnAnswerType0",
)
