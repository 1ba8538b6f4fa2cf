namespace KeyService.Server.Hosting;

/// <summary>Section "alarms" of the configuration file.</summary>
/// <param name="Webhook">Null when none is configured.</param>
/// <param name="RepeatEvery">Time between two times that an alarm is told which nobody acknowledges, 1 minute to 7 days.</param>
internal sealed record AlarmsConfiguration(WebhookConfiguration? Webhook, TimeSpan RepeatEvery);

/// <summary>Section "alarms.webhook".</summary>
/// <param name="Url">https, or http on a loopback address; no user name in it.</param>
/// <param name="SecretFile">Holds the key of the signatures in its first line.</param>
/// <param name="CaPath">PEM: the only CAs that the receiver's certificate may come from; null is the machine's trust store.</param>
internal sealed record WebhookConfiguration(Uri Url, string SecretFile, string? CaPath);
