"""Compares the policies in the templates with deployments/iam/minimum-policy.json, and holds the roles to what they
promise: no action is allowed that nobody needs, and nobody is trusted who was not asked for. The service must fit the
journal: one task with a volume, or two with a table."""

import json
import pathlib
import sys

import yaml

faults = []


def fault(where, words):
    faults.append(f"{where}: {words}")


class Tagged(str):
    """The short form of a function of CloudFormation, as text: !Ref X, !GetAtt X.Y, or !Sub's text itself."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return Tagged(node.value if suffix == "Sub" else f"!{suffix} {node.value}")
    if isinstance(node, yaml.SequenceNode):
        return {f"Fn::{suffix}": loader.construct_sequence(node, deep=True)}
    return {f"Fn::{suffix}": loader.construct_mapping(node, deep=True)}


class Loader(yaml.SafeLoader):
    pass


Loader.add_multi_constructor("!", short_form)


def statements(node):
    """All statements below a node, in whatever functions they are."""
    if isinstance(node, dict):
        for statement in listed(node.get("Statement", [])):
            yield statement
        for key, value in node.items():
            if key != "Statement":
                yield from statements(value)
    elif isinstance(node, list):
        for value in node:
            yield from statements(value)


def listed(value):
    return value if isinstance(value, list) else [value]


def of_queue(where, resources):
    """EventBridge alone sends to a queue, by one rule; queues are encrypted, and end by themselves; one has dead letters."""
    queues = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::SQS::Queue"}
    for name, queue in queues.items():
        if queue.get("SqsManagedSseEnabled") is not True:
            fault(f"{where}, {name}", "is not encrypted")
        if "MessageRetentionPeriod" not in queue:
            fault(f"{where}, {name}", "does not say how long it keeps messages")
    if queues and not any("RedrivePolicy" in queue for queue in queues.values()):
        fault(where, "has no dead letters")
    for name, resource in resources.items():
        if resource["Type"] != "AWS::SQS::QueuePolicy":
            continue
        for s in statements(resource["Properties"]):
            if s["Effect"] != "Allow":
                continue
            if s["Principal"] != {"Service": "events.amazonaws.com"} or "aws:SourceArn" not in json.dumps(s.get("Condition")):
                fault(f"{where}, {name}", "lets others than the rule send")


def chosen(node, conditions):
    """A node with the conditions decided: what an !If chooses, and nothing where that is AWS::NoValue."""
    if isinstance(node, dict) and "Fn::If" in node and node["Fn::If"][0] in conditions:
        condition, yes, no = node["Fn::If"]
        return chosen(yes if conditions[condition] else no, conditions)
    if isinstance(node, dict):
        decided = {key: chosen(value, conditions) for key, value in node.items()}
        return {key: value for key, value in decided.items() if value != "!Ref AWS::NoValue"}
    if isinstance(node, list):
        return [value for value in (chosen(v, conditions) for v in node) if value != "!Ref AWS::NoValue"]
    return node


# What the agent calls of its table (internal/dynamodb); who makes the table needs more.
of_table = {"dynamodb:" + name for name in ("DeleteItem", "DescribeTable", "GetItem", "Query", "UpdateItem")}


def of_journal(where, resources):
    """The journal's table outlives its stack, and can be restored; its role may do what the agent calls, and no more."""
    for name, resource in resources.items():
        p = resource["Properties"]
        if resource["Type"] == "AWS::DynamoDB::Table":
            if resource.get("DeletionPolicy") != "Retain" or resource.get("UpdateReplacePolicy") != "Retain":
                fault(f"{where}, {name}", "would be deleted with its stack")
            if p.get("DeletionProtectionEnabled") is not True:
                fault(f"{where}, {name}", "has no deletion protection")
            if p.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
                fault(f"{where}, {name}", "cannot be restored")
            if p.get("TimeToLiveSpecification") != {"AttributeName": "expires", "Enabled": True}:
                fault(f"{where}, {name}", "keeps what may go")
        for s in statements(p) if name == "UseTable" else []:
            wanted = json.loads((root / "iam/journal-table-policy.json").read_text())["Statement"][0]
            if s["Action"] != wanted["Action"] or s["Sid"] != wanted["Sid"] or len(s["Resource"]) != len(wanted["Resource"]):
                fault(f"{where}, {name}", "its policy is not deployments/iam/journal-table-policy.json")


def of_service(where, resources):
    """A file is one task's: it ends before the next one starts. A table is shared by two: a third one starts first."""
    for shared in (False, True):
        said = f"{where}, {'with a table' if shared else 'with a file'}"
        for resource in resources.values():
            p = chosen(resource["Properties"], {"SharesJournal": shared, "KeepsJournal": not shared})
            for s in statements(p) if resource.get("Condition") == "SharesJournal" else []:
                if set(listed(s["Action"])) != of_table:
                    fault(said, "the grant for the table is not what the agent calls")
            if resource["Type"] == "AWS::ECS::Service":
                rollout, count = p.get("DeploymentConfiguration", {}), p.get("DesiredCount")
                least, most = rollout.get("MinimumHealthyPercent"), rollout.get("MaximumPercent")
                moves = p.get("AvailabilityZoneRebalancing")
                if shared:
                    if count != 2:
                        fault(said, "two tasks share the journal")
                    if least != 100 or most != 150:
                        fault(said, "a new task must start first, one at a time: minimum healthy 100, maximum 150")
                    if moves != "ENABLED":
                        fault(said, "the tasks are not spread over zones")
                    continue
                if count != 1:
                    fault(said, "the journal is one agent's: one task")
                if least != 0:
                    fault(said, "the old task must end first: minimum healthy 0")
                if most != 100:
                    fault(said, "the old task must end first: maximum 100")
                if moves != "DISABLED":
                    fault(said, "moving tasks between zones starts the new task first")
            for container in p.get("ContainerDefinitions", []):
                mounts = [m.get("ContainerPath") for m in container.get("MountPoints", [])]
                if shared and (mounts or p.get("Volumes")):
                    fault(said, "the tasks have a volume, which they do not need")
                if not shared and mounts != ["/opt/federation-agent/data"]:
                    fault(said, "the journal must be on a volume")
                if container.get("StopTimeout", 0) < (90 if shared else 10):
                    fault(said, "StopTimeout must be more than agent.shutdown.handover and agent.shutdown.timeout")


def of_gateway(document):
    return [
        {**s, "Resource": [r.replace("${AWS::Partition}", "aws") for r in s["Resource"]]}
        for s in statements(document)
        if any(action.startswith(("apigateway:", "account:")) for action in listed(s["Action"]))
    ]


root = pathlib.Path(sys.argv[1]) / "deployments"
optional = {
    "GraviteeFederationOptionalGrants.yml": [
        "iam/custom-domains-policy.json", "iam/key-lookup-policy.json", "iam/list-regions-policy.json",
    ],
    "GraviteeFederationEvents.yml": [],
    "GraviteeFederationJournal.yml": [],
}
templates = sorted((root / "cloudformation").glob("*.yml"))
for path in templates:
    resources = yaml.load(path.read_text(), Loader)["Resources"]
    found = of_gateway([r["Properties"] for r in resources.values()])
    files = optional.get(path.name, ["iam/minimum-policy.json"])
    if not files and found:
        fault(path.name, "allows something of API Gateway")
    wanted = [(file, s) for file in files for s in json.loads((root / file).read_text())["Statement"]]
    for i, (file, statement) in enumerate(wanted):
        if found[i : i + 1] != [statement]:
            fault(path.name, f"its policy for API Gateway is not deployments/{file}")
    if files and len(found) > len(wanted):
        fault(path.name, f"its policy for API Gateway allows more than deployments/{' and '.join(files)}")
    of_queue(path.name, resources)
    of_journal(path.name, resources)
    of_service(path.name, resources)
    for name, resource in resources.items():
        where, properties = f"{path.name}, {name}", resource["Properties"]
        trust = properties.pop("AssumeRolePolicyDocument", None)
        for s in statements(properties):
            if s["Effect"] == "Deny":
                continue
            if s.get("Principal") == "*" and "aws:PrincipalOrgID" not in json.dumps(s.get("Condition", {})):
                fault(where, "lets everybody in")
            for action in listed(s["Action"]):
                if "*" in action:
                    fault(where, f"allows {action}")
                if "*" in listed(s["Resource"]) and action != "ecr:GetAuthorizationToken":
                    fault(where, f"allows {action} on everything")
        for container in properties.get("ContainerDefinitions", []):
            for variable in container.get("Environment", []):
                if variable.get("Name", "").endswith(("headers_0_value", "accessKeyId", "secretAccessKey", "apim_token")):
                    fault(where, f"{variable['Name']} is no secret of Secrets Manager")
        if trust is None:
            continue
        for s in json.loads(trust)["Statement"] if isinstance(trust, str) else trust["Statement"]:
            principal, condition = s["Principal"], json.dumps(s.get("Condition", {}))
            service = principal.get("Service", "ec2.")  # EC2 acts for nobody but the instance's own account
            if not service.startswith("ec2.") and "aws:SourceAccount" not in condition:
                fault(where, f"trusts {service} for whatever account it acts")
            if "Federated" in principal and ("ServiceAccountName}" not in condition or ":aud" not in condition):
                fault(where, "trusts every pod of the cluster")
            if "AWS" in principal:
                asked, _, role = dict(principal["AWS"]).get("Fn::If", [None] * 3)
                if asked != "TrustsWholeAccount" or not role.endswith(":role/${AgentRoleName}"):
                    fault(where, "trusts more than the agent's role")
                if "sts:ExternalId" not in condition:
                    fault(where, "asks for no external id")
                if "${AWS::Region}" not in properties["RoleName"]:
                    fault(where, "its role has one name in all regions")
            elif "RoleName" in properties:
                fault(where, "has a fixed name: one stack an account")
if len(templates) != 6:
    fault("deployments/cloudformation", f"{len(templates)} templates")
print("\n".join(faults), file=sys.stderr)
sys.exit(bool(faults))
