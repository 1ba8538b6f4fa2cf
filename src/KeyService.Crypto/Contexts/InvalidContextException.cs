namespace KeyService.Crypto;

/// <summary>An encryption context breaks a rule of docs/spec/context.md. The message says which one, without the offending text.</summary>
public sealed class InvalidContextException(string message) : Exception(message);
