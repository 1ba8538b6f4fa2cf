using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Client.Internal;

namespace KeyService.Cli.Doctor;

/// <summary>The profile and the files it names.</summary>
internal static class ProfileCheck
{
    /// <summary>Certificates end within twelve months; thirty days before the end somebody has to move.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);

    public static (ClientProfile? Profile, Finding Finding) Find(string? named)
    {
        try
        {
            var profile = ProfileLocation.Load(named);
            return (profile, Finding.Good("profile", $"{profile.Path} names {profile.Endpoint}."));
        }
        catch (Exception e) when (e is CliError or KeyServiceException)
        {
            var failure = Failure.Of(e);
            return (null, Finding.Problem("profile", failure.Message, failure.Advice));
        }
    }

    public static IEnumerable<Finding> LookAt(ClientProfile profile, DateTimeOffset now)
    {
        if (Endpoints.UnixPath(profile.Endpoint) is not null)
        {
            yield break;
        }
        if (profile.PrivateKeyPath is { } key && File.Exists(key) && !OperatingSystem.IsWindows()
            && (File.GetUnixFileMode(key) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0)
        {
            yield return Finding.Warning("private-key", $"{key} can be read by others.", $"chmod 600 {key}");
        }
        yield return Certificate(profile, now);
    }

    internal static Finding Expiry(string check, string what, DateTimeOffset notBefore, DateTimeOffset end, DateTimeOffset now, string fix)
    {
        if (now < notBefore)
        {
            return Finding.Problem(check, $"{what} is valid only from {Record.Time(notBefore)}.", "Compare this machine's clock with the issuer's.");
        }
        if (now >= end)
        {
            return Finding.Problem(check, $"{what} ended {Record.Time(end)}.", fix);
        }
        var left = $"{what} ends {Record.Time(end)} (in {(int)(end - now).TotalDays} days).";
        return end - now <= Soon ? Finding.Warning(check, left, fix) : Finding.Good(check, left);
    }

    private static Finding Certificate(ClientProfile profile, DateTimeOffset now)
    {
        try
        {
            var ca = PemFiles.Certificates(profile.CaPath, "CA");
            var context = PemFiles.ClientCertificate(profile.CertificatePath, profile.PrivateKeyPath);
            var certificate = context.TargetCertificate;
            if (!SignedBy(certificate, ca))
            {
                return Finding.Warning("certificate", $"{profile.CertificatePath} was not signed by an authority in {profile.CaPath}.",
                    "Fine when the service takes clients of another authority; otherwise have a certificate issued by this one.");
            }
            return Expiry("certificate", $"The client certificate {certificate.Subject}", certificate.NotBefore, certificate.NotAfter, now,
                "Have a new certificate issued for the same name; the service needs no restart.");
        }
        catch (KeyServiceException e)
        {
            return Finding.Problem("certificate", e.Message, e.Advice);
        }
        catch (CryptographicException)
        {
            return Finding.Problem("certificate", $"{profile.CertificatePath} cannot be read as a certificate.", "Have a new one issued.");
        }
    }

    // Time is judged apart from the signature, so that an expired certificate is called expired.
    private static bool SignedBy(X509Certificate2 certificate, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(certificate);
    }
}
