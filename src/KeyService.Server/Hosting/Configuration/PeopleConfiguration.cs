namespace KeyService.Server.Hosting;

/// <summary>Section "people" of the configuration file.</summary>
/// <param name="SecondFactorRequired">
/// True: a person calls in a session only, made with a second factor. False: so do those who have enrolled one; the others call by their first
/// factor alone.
/// </param>
internal sealed record PeopleConfiguration(bool SecondFactorRequired);
