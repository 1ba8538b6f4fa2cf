using System.Security.Cryptography.X509Certificates;

namespace KeyService.Server.Hosting;

/// <summary>The certificate files: readable, belonging together, valid, not too long-lived, the key private.</summary>
internal static class TlsCheck
{
    private const string Check = "tls";
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(366);

    public static IEnumerable<Finding> Run(TlsConfiguration tls, DateTimeOffset now)
    {
        TlsMaterial material;
        Finding? unusable = null;
        try
        {
            material = TlsMaterial.Load(tls, now);
        }
        catch (TlsMaterialException exception)
        {
            unusable = Finding.Problem(Check, exception.Message,
                "Put a valid PEM certificate, its key and the client CA where tls.certificate, tls.privateKey and tls.clientCa say.");
            material = null!;
        }
        if (unusable is not null)
        {
            yield return unusable;
            yield break;
        }
        yield return OfEnd("server certificate", tls.CertificatePath, material.Certificate, now);
        foreach (var ca in material.ClientCas)
            yield return OfEnd($"client CA {ca.Subject}", tls.ClientCaPath, ca, now);
        var life = material.Certificate.NotAfter - material.Certificate.NotBefore;
        if (life > LongestLife)
        {
            yield return Finding.Warning(Check, $"The server certificate lives {life.TotalDays:0} days.",
                "Issue certificates for at most 12 months: losing a key then ends by itself.");
        }
        if (!OperatingSystem.IsWindows()
            && (File.GetUnixFileMode(tls.PrivateKeyPath) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            yield return Finding.Problem(
                Check, $"Every user of this host can read or change {tls.PrivateKeyPath}.", $"chmod 0600 {tls.PrivateKeyPath}");
    }

    private static Finding OfEnd(string what, string path, X509Certificate2 certificate, DateTimeOffset now)
    {
        var end = new DateTimeOffset(certificate.NotAfter.ToUniversalTime());
        if (end <= now)
            return Finding.Problem(Check, $"The {what} ended {end:u}.", $"Put a new one into {path}; a running server reads it by itself.");
        return end - now < Soon
            ? Finding.Warning(Check, $"The {what} ends {end:u}, in {(end - now).TotalDays:0} days.",
                $"Renew it and put it into {path}; a running server reads it by itself.")
            : Finding.Good(Check, $"The {what} is valid to {end:u}.");
    }
}
