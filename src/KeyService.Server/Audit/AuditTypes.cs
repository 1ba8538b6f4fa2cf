// The record's own enums (KeyService.Crypto) are meant wherever the server says these names, not the wire's of the same name.
global using AuditEventType = KeyService.Crypto.AuditEventType;
global using AuditOutcome = KeyService.Crypto.AuditOutcome;
