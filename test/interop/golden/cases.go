package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"federation-agent/test/interop/controller"
)

// frameCase is a command or reply as JSON with every field that any dialect has; each version keeps what it knows. What
// APIM fills in without fail, such as a command's ids, is there in the frames with null fields, too.
type frameCase struct {
	name      string
	direction controller.Direction
	exchange  json.RawMessage
}

// id is of every command, so that the frames can be compared between versions.
const id = "7d0c2f1e-5a7b-4a2e-9f57-0d6f6c9d1a01"

// awkward has what breaks a careless reader or writer: the frame's own separator and prefixes, what JSON escapes,
// separators that JavaScript dislikes, letters of two and three bytes, and one beyond the BMP.
const awkward = ";; ;e:{}; t:REPLY;; \" \\ / \b\f\n\r\t \u0001 <&> \u2028\u2029 é ß 中文 \U0001F511"

func cases() []frameCase {
	var all []frameCase
	all = append(all, sessionCases()...)
	all = append(all, discoveryCases()...)
	all = append(all, ingestCases()...)
	all = append(all, subscriptionCases()...)
	return all
}

func sessionCases() []frameCase {
	return []frameCase{
		command("hello-command", "HELLO", object{"targetId": "2f6b6a3e", "provider": "aws-api-gateway"}),
		command("hello-command-awkward", "HELLO", object{"targetId": awkward, "provider": awkward}),
		command("hello-command-null-fields", "HELLO", object{}),
		reply("hello-reply", "HELLO", object{"targetId": "2f6b6a3e"}),
		refusal("hello-reply-error", "HELLO", "Integration [id=2f6b6a3e] not found"),
		command("primary-command-true", "PRIMARY", object{"primary": true}),
		command("primary-command-false", "PRIMARY", object{"primary": false}),
		reply("primary-reply", "PRIMARY", object{}),
		refusal("primary-reply-error", "PRIMARY", awkward),
		command("health-check-command", "HEALTH_CHECK", object{}),
		reply("health-check-reply-healthy", "HEALTH_CHECK", object{"healthy": true}),
		reply("health-check-reply-unhealthy", "HEALTH_CHECK", object{"healthy": false, "detail": awkward}),
		command("good-bye-command-reconnect", "GOOD_BYE", object{"targetId": "2f6b6a3e", "reconnect": true}),
		command("good-bye-command-for-good", "GOOD_BYE", object{"targetId": "2f6b6a3e", "reconnect": false}),
		command("good-bye-command-null-target", "GOOD_BYE", object{"reconnect": true}),
		reply("good-bye-reply", "GOOD_BYE", object{"targetId": "2f6b6a3e"}),
		failure("no-reply", "NO_REPLY", "No handler found for command type 'DISCOVER'. Ignoring"),
		command("unknown-command", "UNKNOWN", object{}),
		failure("unknown-reply", "UNKNOWN", "Command unknown"),
	}
}

func discoveryCases() []frameCase {
	var all []frameCase
	for _, kind := range []string{"DISCOVER", "LIST"} {
		name := map[string]string{"DISCOVER": "discover", "LIST": "list"}[kind]
		all = append(all,
			command(name+"-command", kind, object{}),
			reply(name+"-reply", kind, object{"apis": []object{fullAPI(), bareAPI()}, "isPartialDiscovery": false}),
			reply(name+"-reply-partial", kind, object{"apis": []object{nullAPI()}, "isPartialDiscovery": true}),
			reply(name+"-reply-empty", kind, object{"apis": []object{}}),
			reply(name+"-reply-null-fields", kind, object{}),
			refusal(name+"-reply-error", kind, awkward),
			status(name+"-reply-pending", kind, "PENDING"),
			status(name+"-reply-in-progress", kind, "IN_PROGRESS"),
		)
	}
	return all
}

func ingestCases() []frameCase {
	return []frameCase{
		command("start-ingest-command", "START_INGEST", object{"ingestJobId": "job-1", "apiIds": []string{"a", awkward}}),
		command("start-ingest-command-empty", "START_INGEST", object{"ingestJobId": "job-1", "apiIds": []string{}}),
		command("start-ingest-command-null-ids", "START_INGEST", object{"ingestJobId": "job-1"}),
		reply("start-ingest-reply", "START_INGEST", object{"ingestJobId": "job-1", "total": 4711}),
		reply("start-ingest-reply-zero", "START_INGEST", object{"ingestJobId": "job-1", "total": 0}),
		reply("start-ingest-reply-null-fields", "START_INGEST", object{}),
		refusal("start-ingest-reply-error", "START_INGEST", awkward),
		command("ingest-command", "INGEST", object{
			"ingestJobId": "job-1", "apis": []object{fullAPI(), bareAPI(), nullAPI()}, "done": false,
		}),
		command("ingest-command-empty", "INGEST", object{"ingestJobId": "job-1", "apis": []object{}, "done": false}),
		command("ingest-command-done", "INGEST", object{"ingestJobId": "job-1", "apis": []object{}, "done": true}),
		command("ingest-command-null-fields", "INGEST", object{}),
		reply("ingest-reply", "INGEST", object{}),
		refusal("ingest-reply-error", "INGEST", awkward),
		command("fetch-command", "FETCH", object{"apis": []object{}}),
		command("fetch-command-apis", "FETCH", object{"apis": []object{bareAPI()}}),
		command("fetch-command-null-fields", "FETCH", object{}),
		reply("fetch-reply", "FETCH", object{"apis": []object{fullAPI(), bareAPI(), nullAPI()}}),
		reply("fetch-reply-empty", "FETCH", object{"apis": []object{}}),
		refusal("fetch-reply-error", "FETCH", awkward),
	}
}

func subscriptionCases() []frameCase {
	all := []frameCase{
		command("subscribe-command-null-fields", "SUBSCRIBE", object{
			"apiId": "a:b:c:d", "subscription": object{"graviteeSubscriptionId": "sub-1"},
		}),
		reply("subscribe-reply", "SUBSCRIBE", object{"subscription": object{
			"graviteeSubscriptionId": "sub-1", "metadata": object{"aws-api-key-id": "k1", "note": awkward},
			"apiKey": "not-a-key",
		}}),
		reply("subscribe-reply-null-fields", "SUBSCRIBE", object{"subscription": object{}}),
		reply("subscribe-reply-null-subscription", "SUBSCRIBE", object{}),
		refusal("subscribe-reply-error", "SUBSCRIBE", awkward),
		command("unsubscribe-command", "UNSUBSCRIBE", object{"apiId": "a:b:c:d", "subscription": object{
			"graviteeSubscriptionId": "sub-1", "metadata": object{"aws-api-key-id": "k1"},
		}}),
		command("unsubscribe-command-null-fields", "UNSUBSCRIBE", object{
			"apiId": "a:b:c:d", "subscription": object{"graviteeSubscriptionId": "sub-1"},
		}),
		reply("unsubscribe-reply", "UNSUBSCRIBE", object{}),
		refusal("unsubscribe-reply-error", "UNSUBSCRIBE", awkward),
	}
	for _, kind := range []string{"API_KEY", "OAUTH", "JWT"} {
		all = append(all,
			command("subscribe-command-"+strings.ToLower(kind), "SUBSCRIBE", object{"apiId": "a:b:c:d", "subscription": object{
				"graviteeSubscriptionId": "sub-1", "graviteeApplicationId": "app-1", "graviteeApplicationName": awkward,
				"type": kind, "metadata": object{"planId": "p1", "empty": "", "note": awkward},
			}}))
	}
	return all
}

type object map[string]any

// fullAPI has every field of every dialect and, between its lists, every value of every enumeration.
func fullAPI() object {
	pages := []object{{"pageType": "SWAGGER"}, {}}
	for _, kind := range []string{"ASCIIDOC", "ASYNCAPI", "MARKDOWN", "MARKDOWN_TEMPLATE", "SWAGGER"} {
		pages = append(pages, object{"pageType": kind, "content": awkward, "filename": kind + ".txt"})
	}
	plans := []object{{}}
	for _, kind := range []string{"API_KEY", "OAUTH2", "JWT"} {
		plans = append(plans, object{
			"id": "plan-" + kind, "name": awkward, "description": awkward, "planSecurityType": kind,
			"characteristics": []string{"10 requests a second", awkward},
		})
	}
	metadata := []object{{}}
	for _, format := range []string{"STRING", "NUMERIC", "BOOLEAN", "DATE", "MAIL", "URL"} {
		metadata = append(metadata, object{"name": "meta-" + format, "value": awkward, "format": format})
	}
	return object{
		"uniqueId": "123456789012:eu-west-1:a1b2c3d4e5:prod", "id": "123456789012:eu-west-1:a1b2c3d4e5:prod",
		"name": awkward, "version": "1.0", "description": awkward,
		"connectionDetails": object{"key": "value", "note": awkward},
		"type":              "PROXY", "pages": pages, "plans": plans, "metadata": metadata,
	}
}

// bareAPI has what a DISCOVER carries, and empty lists.
func bareAPI() object {
	return object{
		"uniqueId": "u", "id": "i", "name": "n", "version": "0.0.0", "type": "MESSAGE",
		"connectionDetails": object{}, "pages": []object{}, "plans": []object{}, "metadata": []object{},
	}
}

func nullAPI() object { return object{} }

func command(name, kind string, payload object) frameCase {
	return frameCase{name, controller.DirectionCommand, marshal(object{"id": id, "type": kind, "payload": payload})}
}

func reply(name, kind string, payload object) frameCase {
	return frameCase{name, controller.DirectionReply, marshal(object{
		"commandId": id, "type": kind, "commandStatus": "SUCCEEDED", "payload": payload,
	})}
}

// refusal is an ERROR as a handler makes it, without a payload.
func refusal(name, kind, details string) frameCase {
	return frameCase{name, controller.DirectionReply, marshal(object{
		"commandId": id, "type": kind, "commandStatus": "ERROR", "errorDetails": details,
	})}
}

// failure is an ERROR as the exchange itself makes it, with an empty payload.
func failure(name, kind, details string) frameCase {
	return frameCase{name, controller.DirectionReply, marshal(object{
		"commandId": id, "type": kind, "commandStatus": "ERROR", "errorDetails": details, "payload": object{},
	})}
}

func status(name, kind, status string) frameCase {
	return frameCase{
		name, controller.DirectionReply, marshal(object{"commandId": id, "type": kind, "commandStatus": status}),
	}
}

func marshal(o object) json.RawMessage {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("a case is no JSON: %v", err)) // Maps, strings, numbers and booleans always are.
	}
	return text
}
