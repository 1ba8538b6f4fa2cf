using KeyService.Crypto;

namespace KeyService.Server.Access;

/// <summary>A quota that has nothing left, or too little for what was asked.</summary>
/// <param name="UntilEnd">Time until its window ends.</param>
internal sealed record SpentQuota(Grant Grant, Quota Quota, TimeSpan UntilEnd);
