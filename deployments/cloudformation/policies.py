"""Compares the policies in the templates with deployments/iam/minimum-policy.json, and holds the roles to what they
promise: no action is allowed that nobody needs, and nobody is trusted who was not asked for."""

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
if len(templates) != 5:
    fault("deployments/cloudformation", f"{len(templates)} templates")
print("\n".join(faults), file=sys.stderr)
sys.exit(bool(faults))
