namespace KeyService.Server.Detection;

/// <summary>A rule is met, by this record and those before it.</summary>
/// <param name="Subject">Who: the name of a principal, or, where there is none, where from.</param>
/// <param name="Message">What happened, one sentence; nothing secret, no patient data.</param>
internal readonly record struct DetectionHit(DetectionRule Rule, string Subject, string Message);
