namespace KeyService.Cli.Ceremonies;

/// <summary>Somebody who takes part.</summary>
/// <param name="Name">As it stands in the transcript: [a-z0-9._-].</param>
/// <param name="Role">One of <see cref="KeyService.Crypto.Ceremonies.CeremonyRole"/>.</param>
/// <param name="FullName">As on the identity document.</param>
internal sealed record CeremonyPerson(string Name, string Role, string FullName);
