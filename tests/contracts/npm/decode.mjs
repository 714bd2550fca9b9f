// Decodes messages with protobuf.js and the proto file itself, and prints them in protobuf's JSON form.
// Argument: the proto file. Standard input: [{"message": "consent.v1.ConsentChange", "value_hex": "0a24..."}].
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import protojson from "protobufjs/ext/protojson.js";

const root = new protobuf.Root().loadSync(process.argv[2], { keepCase: true });
for (const type of root.lookup("consent.v1").nestedArray) {
  // Names as the proto file has them, not in camel case.
  for (const field of type.fieldsArray ?? []) field.jsonName = field.name;
}
const decoded = JSON.parse(readFileSync(0, "utf8")).map(({ message, value_hex }) => {
  const type = root.lookupType(message);
  return protojson.toJson(type, type.decode(Buffer.from(value_hex, "hex")));
});
process.stdout.write(JSON.stringify(decoded));
